"""The array itself: printing, attributes, interoperation, files, devices, errors, statistics."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings
from typing import Any

import dlengine
import dlengine.numpy as np
import numpy
import pytest
import torch

PRINTED = [
    numpy.arange(12).reshape(3, 4), numpy.linspace(0, 1, 7), numpy.array([True, False]),
    numpy.zeros((0, 3)), numpy.array(3.5),
    numpy.array([1 + 2j]), numpy.arange(2000.0), numpy.float32([[1e-9, 1]]),
    numpy.array([numpy.nan, numpy.inf]), numpy.int8([1]),
]  # fmt: skip


@pytest.mark.parametrize("array", PRINTED, ids=lambda a: f"{a.dtype}{a.shape}")
def test_it_prints_as_numpy(array: Any) -> None:
    ours = np.array(array)
    assert (repr(ours), str(ours), f"{ours}") == (repr(array), str(array), f"{array}")
    assert np.array2string(ours, precision=2) == numpy.array2string(array, precision=2)


def test_a_number_formats_as_a_number() -> None:
    assert f"{np.array([1.0, 2.0]).mean():.3f}" == "1.500"
    with pytest.raises(TypeError):
        f"{np.zeros(2):.3f}"


def test_a_number_rounds_to_a_whole_number_or_an_array() -> None:
    x = np.array([1.25, -2.5])
    assert (round(x[0]), type(round(x[1]))) == (1, int)
    assert (float(round(x[0], 1)), round(x, 1).tolist()) == (1.2, [1.2, -2.5])
    with pytest.raises(TypeError, match="0-dimensional"):
        round(x)


def test_65_of_numpys_70_attributes_are_there() -> None:
    names = [name for name in dir(numpy.ndarray) if name[0] != "_"]
    assert sum(hasattr(np.ndarray, name) for name in names) >= 65


def test_attributes_agree_with_numpy() -> None:
    theirs = numpy.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
    ours = np.array(numpy.arange(24.0).reshape(2, 3, 4)).transpose(2, 0, 1)
    for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes", "strides"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert numpy.array_equal(numpy.asarray(ours.T), theirs.T)
    assert numpy.array_equal(numpy.asarray(ours.mT), theirs.mT)
    assert ours.flags.c_contiguous == theirs.flags.c_contiguous
    assert ours.tolist() == theirs.tolist()
    assert ours.tobytes() == theirs.tobytes()
    assert [float(v) for v in ours.flat][:3] == list(theirs.flat)[:3]
    assert ours.astype("float32").dtype == numpy.float32
    assert ours.view("int64").dtype == numpy.int64
    assert ours.item(3) == theirs.item(3)
    assert ours.flatten("F").tolist() == theirs.flatten("F").tolist()


def test_methods_that_change_the_array_change_it() -> None:
    x = np.array([3.0, 1.0, 2.0])
    x.sort()
    x.put([0], [9.0])
    assert x.tolist() == [9.0, 2.0, 3.0]
    x.fill(1)
    x.resize(2, 2)
    assert x.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    z = np.array([1 + 2j])
    z.real = 5
    assert z.tolist() == [5 + 2j]


def test_mixing_with_numpy_in_either_order_gives_our_arrays() -> None:
    ours, theirs = np.arange(3.0), numpy.array([1.0, 2.0, 3.0])
    for value in (
        ours + theirs,
        theirs + ours,
        numpy.float64(2) * ours,
        numpy.sin(ours),
        numpy.add.reduce(ours),
        numpy.mean(ours),
    ):
        assert isinstance(value, np.ndarray)
    assert (theirs - ours).tolist() == [1.0, 1.0, 1.0]
    assert isinstance(numpy.concatenate([theirs, ours]), np.ndarray)
    assert isinstance(numpy.linalg.norm(ours), np.ndarray)
    assert numpy.asarray(ours).tolist() == [0.0, 1.0, 2.0]
    theirs += ours
    assert theirs.tolist() == [1.0, 3.0, 5.0]


def test_mixing_with_torch_in_either_order_gives_our_arrays() -> None:
    ours, tensor = np.arange(3.0), torch.ones(3, dtype=torch.float64, requires_grad=True)
    for value in (ours * tensor, tensor * ours, torch.sin(ours), np.sin(tensor)):
        assert isinstance(value, np.ndarray)
    (ours * tensor).sum().tensor.backward()
    assert tensor.grad is not None
    assert tensor.grad.tolist() == [0.0, 1.0, 2.0]
    layer = torch.nn.Linear(3, 2).double()
    assert isinstance(layer(ours), np.ndarray)
    assert layer(ours).tensor.requires_grad


def test_memory_is_shared_with_numpy_and_torch() -> None:
    theirs = numpy.zeros(3)
    np.asarray(theirs)[0] = 1
    tensor = torch.zeros(3)
    np.asarray(tensor)[1] = 2
    np.from_tensor(tensor)[2] = 3
    assert (theirs.tolist(), tensor.tolist()) == ([1.0, 0.0, 0.0], [0.0, 2.0, 3.0])
    assert np.from_dlpack(theirs).tolist() == theirs.tolist()
    assert numpy.from_dlpack(np.asarray(tensor)).tolist() == tensor.tolist()
    assert np.array(theirs).tensor.data_ptr() != theirs.ctypes.data


def test_pickle_and_copy_keep_the_values() -> None:
    x = np.arange(4.0).reshape(2, 2)
    for other in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x), x.copy()):
        assert other.tolist() == x.tolist()
        other[0, 0] = 9
    assert x[0, 0] == 0
    assert pickle.loads(pickle.dumps(np.add)) is np.add


def test_files_are_numpys(tmp_path: Any) -> None:
    x, y = np.arange(6).reshape(2, 3), np.ones(2)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "z.npz", x=x, y=y)
    np.savetxt(tmp_path / "t.txt", x)
    assert numpy.load(tmp_path / "x.npy").tolist() == x.tolist()
    assert isinstance(np.load(tmp_path / "x.npy"), np.ndarray)
    with np.load(tmp_path / "z.npz") as archive:
        assert sorted(archive) == ["x", "y"]
        assert archive["x"].tolist() == x.tolist()
    assert np.loadtxt(tmp_path / "t.txt").tolist() == x.tolist()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x)


def test_float32_can_be_the_default() -> None:
    np.set_default_float("float32")
    try:
        made = (
            np.ones(2),
            np.array([1.5]),
            np.arange(3) / 3,
            np.arange(3).mean(),
            np.sin(np.arange(3)),
            np.arange(3) * np.ones(3),
            np.linspace(0, 1, 3),
        )
        assert {str(a.dtype) for a in made} == {"float32"}
        assert np.zeros(2, "float64").dtype == numpy.float64
        assert (np.zeros(2, "float64") * np.ones(2)).dtype == numpy.float64
    finally:
        np.set_default_float("float64")
    assert (np.arange(3) / 3).dtype == numpy.float64


def test_the_device_is_chosen_by_context_or_argument() -> None:
    with dlengine.device("meta"):
        inside = np.zeros(3)
        assert str((inside + np.ones(3)).device) == "meta"
        assert str(np.zeros(3, device="cpu").device) == "cpu"
    assert str(np.zeros(3).device) == "cpu"
    assert str(np.zeros(3, device="meta").to_device("meta").device) == "meta"
    with pytest.raises(ValueError, match=r"cpu \(3,\).*meta|meta \(3,\).*cpu"):
        inside + np.zeros(3)


ERRORS: list[tuple[Any, Any, str]] = [
    (lambda: np.zeros((2, 3)) + np.zeros(4), ValueError, r"\(2,3\) \(4,\)"),
    (lambda: np.zeros((2, 3)) @ np.zeros((4, 2)), ValueError, r"\(2, 3\) and \(4, 2\)"),
    (lambda: np.zeros((2, 3)).sum(axis=2), numpy.exceptions.AxisError, "axis 2 is out of bounds"),
    (lambda: np.cumsum(np.zeros(2), axis=1), numpy.exceptions.AxisError, "axis 1"),
    (lambda: np.add(np.ones(2), 1, out=np.ones(2, int)), TypeError, "float64.*int64"),
    (lambda: np.arange(3).__iadd__(1.5), TypeError, "float64.*int64"),
    (lambda: np.zeros((2, 3)).reshape(4), ValueError, r"size 6 into shape \(4,?\)"),
    (lambda: np.concatenate([np.zeros((2, 3)), np.zeros((2, 4))]), ValueError, "size 3 and .* has size 4"),
    (lambda: np.array([True]) - np.array([True]), TypeError, "boolean subtract"),
    (lambda: np.array(["a"], dtype="f"), ValueError, "could not convert"),
    (lambda: bool(np.ones(2)), ValueError, "ambiguous"),
    (lambda: float(np.ones(2)), TypeError, "0-dimensional"),
    (lambda: np.linalg.inv(np.zeros((2, 2))), numpy.linalg.LinAlgError, "Singular"),
    (lambda: np.linalg.solve(np.ones((2, 2)), np.ones(3)), ValueError, r"\(2, 2\) and \(3,"),
    (lambda: np.zeros((0,)).max(), ValueError, "zero-size array"),
    (lambda: np.zeros(3).nothing, AttributeError, "nothing"),
    (lambda: np.nothing, AttributeError, "nothing"),
    (lambda: np.bitwise_and(np.ones(2), 1), TypeError, "bitwise_and"),
    (lambda: np.zeros(2).astype("int8", casting="safe"), TypeError, "float64.*int8"),
    (lambda: np.dot(np.zeros((2, 3)), np.zeros((2, 3))), ValueError, r"\(2,3\) and \(2,3\) not aligned"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_bad_input_has_numpys_exception_and_names_both(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_a_fallback_warns_once_and_refuses_gradients() -> None:
    np.fallback._warned.discard("is_busday")
    with pytest.warns(np.FallbackWarning, match="is_busday"):
        np.is_busday("2024-01-01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.is_busday("2024-01-01")
    x = np.from_tensor(torch.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match=r"frompyfunc|busday_count"):
        np.busday_count(x, x)


def test_statistics_say_what_ran_where() -> None:
    x = np.ones((3, 3))
    with np.op_statistics() as statistics, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x @ x + np.sin(x)).sum()
        np.is_busday("2024-01-01")
    native = {row.name: row.calls for row in statistics.native}
    assert native == {"matmul": 1, "sin": 1, "add": 1, "sum": 1}
    assert [row.name for row in statistics.fallbacks] == ["is_busday"]
    assert "matmul" in str(statistics)
    x @ x
    assert native["matmul"] == 1


def test_table_functions_compile_as_one_graph() -> None:
    def model(x: Any, w: Any) -> Any:
        h = np.tanh(np.matmul(np.asarray(x), np.asarray(w)))
        return (np.maximum(h, 0.1) * 2 + np.exp(-h[:, ::2].sum(axis=1, keepdims=True))).mean().tensor

    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x, w = torch.randn(5, 4), torch.randn(4, 6, requires_grad=True)
    assert torch.allclose(compiled(x, w), model(x, w))


def test_vmap_and_grad_of_torch_take_our_arrays() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert torch.func.vmap(lambda row: (row * row).sum())(x).tolist() == [1.0, 13.0, 41.0]


def test_importing_the_engine_does_not_import_this() -> None:
    script = "import sys, dlengine; sys.exit('dlengine.numpy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_random_is_repeatable_and_has_the_moments_it_should() -> None:
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    assert np.array_equal(a.normal(size=5), b.normal(size=5))
    rng = np.random.default_rng(0)
    moments = {
        "normal": ((2.0, 3.0), 2.0, 3.0), "uniform": ((0.0, 12.0), 6.0, 12**0.5), "exponential": ((2.0,), 2.0, 2.0),
        "gamma": ((4.0, 0.5), 2.0, 1.0),
        "beta": ((2.0, 2.0), 0.5, 0.05**0.5), "poisson": ((4.0,), 4.0, 2.0), "binomial": ((10, 0.5), 5.0, 2.5**0.5),
        "laplace": ((1.0, 2.0), 1.0, 8**0.5),
        "logistic": ((0.0, 1.0), 0.0, 3.29**0.5), "gumbel": ((0.0, 1.0), 0.5772, 1.2825),
        "chisquare": ((3.0,), 3.0, 6**0.5), "geometric": ((0.5,), 2.0, 2**0.5),
        "triangular": ((0.0, 1.0, 2.0), 1.0, 6**-0.5), "rayleigh": ((1.0,), 1.2533, 0.655),
        "wald": ((1.0, 4.0), 1.0, 0.5), "weibull": ((2.0,), 0.8862, 0.4633),
        "negative_binomial": ((5.0, 0.5), 5.0, 10**0.5), "lognormal": ((0.0, 0.25), 1.0317, 0.262),
        "standard_t": ((9.0,), 0.0, (9 / 7) ** 0.5), "power": ((2.0,), 2 / 3, 18**-0.5),
        "vonmises": ((0.0, 100.0), 0.0, 0.1), "hypergeometric": ((10, 10, 10), 5.0, 1.147),
        "f": ((5.0, 20.0), 20 / 18, 0.795), "pareto": ((8.0,), 1 / 7, 0.165),
    }  # fmt: skip
    for name, (args, mean, spread) in moments.items():
        drawn = getattr(rng, name)(*args, size=20_000)
        assert abs(float(drawn.mean()) - mean) < 0.05 * spread + 0.02, name
        assert abs(float(drawn.std()) - spread) < 0.08 * spread + 0.02, name


def test_random_choices_orders_and_old_functions() -> None:
    rng = np.random.default_rng(1)
    assert sorted(rng.permutation(5).tolist()) == [0, 1, 2, 3, 4]
    assert len(set(rng.choice(10, 10, replace=False).tolist())) == 10
    assert set(rng.choice(3, 50, p=[0.0, 0.5, 0.5]).tolist()) == {1, 2}
    x = np.arange(10)
    rng.shuffle(x)
    assert sorted(x.tolist()) == list(range(10))
    drawn = rng.integers([0, 10], [2, 12], size=(100, 2))
    assert drawn[:, 0].max() == 1
    assert drawn[:, 1].min() == 10
    assert abs(float(rng.multivariate_normal([1.0, 2.0], [[1.0, 0.5], [0.5, 1.0]], 5000).mean(0)[1]) - 2) < 0.1
    assert np.allclose(rng.dirichlet([1.0, 2.0, 3.0], 4).sum(1), 1)
    assert rng.multinomial(20, [0.2, 0.8]).sum() == 20
    np.random.seed(5)
    first = (np.random.rand(2, 2), np.random.randn(3), np.random.randint(0, 9, 4), np.random.normal(0, 1, 2))
    np.random.seed(5)
    assert np.array_equal(first[0], np.random.rand(2, 2))
    with pytest.raises(ValueError, match="scale < 0"):
        rng.normal(0, -1)


def test_functions_of_numpys_inner_modules_run_on_the_host() -> None:
    np.fallback._warned.discard("sqrt")
    with pytest.warns(np.FallbackWarning, match="sqrt"):
        roots = np.lib.scimath.sqrt(np.array([-1.0, 4.0]))
    assert isinstance(roots, np.ndarray)
    assert roots.tolist() == [1j, 2]


def test_windows_and_strided_views_alias_and_refuse_what_no_tensor_can_be() -> None:
    tricks, theirs = np.lib.stride_tricks, numpy.lib.stride_tricks
    host = numpy.arange(24.0).reshape(2, 3, 4)
    x = np.array(host)
    for window, axis in (((1, 2, 3), None), (2, -1), ((2, 2), (1, 2)), ((2, 2), (2, 2)), ((0, 1), (0, 1)), ((), ())):
        expected = theirs.sliding_window_view(host, window, axis)
        found = tricks.sliding_window_view(x, window, axis)
        assert numpy.array_equal(numpy.asarray(found), expected)
        assert numpy.array_equal(numpy.asarray(numpy.lib.stride_tricks.sliding_window_view(x, window, axis)), expected)
    every = tricks.as_strided(x[:, 1:], (2, 2, 3), (96, 32, 8))
    assert numpy.array_equal(numpy.asarray(every), theirs.as_strided(host[:, 1:], (2, 2, 3), (96, 32, 8)))
    every[0, 0, 0] = -1
    assert x[0, 1, 0] == -1
    assert np.grad(lambda v: tricks.sliding_window_view(v, 2).sum())(np.ones(4)).tolist() == [1, 2, 2, 1]
    with pytest.raises(ValueError, match=r"\(2, 3, 5\).*\(2, 3, 4\)|larger"):
        tricks.sliding_window_view(x, (2, 3, 5))
    with pytest.raises(ValueError, match="not negative"):
        tricks.as_strided(x, (2,), (-8,))
