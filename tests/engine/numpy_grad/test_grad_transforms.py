"""The transformations of dlengine.numpy: what they return, how they nest, and which trees they take."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable

import dlengine.numpy as np
import numpy
import pytest
from numpy.testing import assert_allclose


def same(found, expected, **options):
    assert_allclose(numpy.asarray(found), numpy.asarray(expected), **({"rtol": 1e-10} | options))


X = np.array([0.3, -1.2, 2.0])


def test_gradient_of_a_function_that_reads_as_numpy():
    def f(x):
        total = 0.0
        for value in x:
            if value > 0:
                total = total + value**2
            else:
                total = total - 3 * value
        return total

    same(np.grad(f)(X), [0.6, -3, 4])
    value, gradient = np.value_and_grad(f)(X)
    assert float(value) == pytest.approx(0.09 + 3.6 + 4)
    same(gradient, [0.6, -3, 4])
    assert not value.tensor.requires_grad
    assert not gradient.tensor.requires_grad


def test_a_print_inside_prints_numbers(capsys):
    def f(x):
        print(x)
        return np.sum(x * x)

    x = np.array([1.0, 2.5])
    text = f"{numpy.array([1.0, 2.5])}\n"
    np.grad(f)(x)
    assert capsys.readouterr().out == text
    np.jvp(np.grad(f), (x,), (x,))
    assert set(capsys.readouterr().out.splitlines(keepends=True)) == {text}
    np.vmap(np.vmap(f), in_axes=1)(np.arange(8).reshape(2, 2, 2))
    shown = numpy.arange(8).reshape(2, 2, 2).swapaxes(0, 1)
    assert capsys.readouterr().out == f"<for each example of vmap: {shown}>\n"


def test_text_inside_forward_mode_is_that_of_numbers():
    def f(x):
        found.append(f"{x} {x[0]:.2f} {x!r} {np.array2string(x, precision=1)}")
        return np.sum(x)

    found: list[str] = []
    np.jvp(f, (np.array([1.25, 2.0]),), (np.ones(2),))
    assert found == ["[1.25 2.  ] 1.25 array([1.25, 2.  ]) [1.2 2. ]"]


def test_plain_numpy_arrays_and_numbers_are_arguments():
    same(np.grad(lambda x: np.sum(x**3))(numpy.array([1.0, 2.0])), [3, 12])
    same(np.grad(np.sin)(0.5), numpy.cos(0.5))
    same(np.grad(lambda x: numpy.sum(numpy.sin(x)))(numpy.array([1.0])), numpy.cos([1.0]))


@pytest.mark.parametrize("order", range(1, 6))
def test_derivatives_of_any_order(order):
    derivative = np.sin
    for _ in range(order):
        derivative = np.grad(derivative)
    same(derivative(0.7), numpy.sin(0.7 + order * numpy.pi / 2))


def test_nested_gradients_do_not_confuse_variables():
    inner = lambda x: np.grad(lambda y: x + y)(1.0)  # noqa: E731
    same(np.grad(lambda x: x * inner(x))(2.0), 1.0)
    same(np.grad(lambda x: x * np.grad(lambda y: x * y**2)(x))(3.0), 6 * 9.0)
    same(np.grad(lambda x: np.grad(lambda y: x * x * y)(x) * x)(3.0), 27.0)


def test_argument_by_number_name_and_tuple():
    def f(a, b, c=2.0):
        return a * b**2 * c

    same(np.grad(f, 1)(3.0, 5.0), 60)
    same(np.grad(f, -1)(3.0, 5.0), 60)
    same(np.grad(f, "b")(3.0, 5.0), 60)
    same(np.grad(f, "c")(3.0, 5.0, c=1.0), 75)
    same(np.grad(f, 1)(3.0, b=5.0), 60)
    by_a, by_c = np.grad(f, (0, "c"))(3.0, 5.0, c=1.0)
    same(by_a, 25)
    same(by_c, 75)


Layer = namedtuple("Layer", "weight bias")


@dataclasses.dataclass(frozen=True)
class Model:
    layers: list
    scale: float
    name: str = dataclasses.field(default="net", metadata={"static": True})


def test_gradients_have_the_shape_of_their_trees():
    layers = [Layer(np.ones((2, 2)), np.zeros(2)), Layer(np.ones((2, 1)) * 2, None)]
    model = {"model": Model(layers, 3.0), "rest": OrderedDict(b=(1.0, 2.0), a=[])}

    def f(params):
        inner = params["model"]
        x = np.ones(2) @ inner.layers[0].weight + inner.layers[0].bias
        return (x @ inner.layers[1].weight)[0] * inner.scale + params["rest"]["b"][1] ** 2

    gradient = np.grad(f)(model)
    assert type(gradient["model"]) is Model
    assert gradient["model"].name == "net"
    assert type(gradient["rest"]) is OrderedDict
    assert gradient["rest"]["a"] == []
    assert list(gradient["rest"]) == ["b", "a"]
    first, second = gradient["model"].layers
    assert type(first) is Layer
    assert second.bias is None
    same(first.weight, np.full((2, 2), 6.0))
    same(first.bias, [6, 6])
    same(second.weight, [[6], [6]])
    same(gradient["model"].scale, 8)
    same(gradient["rest"]["b"][0], 0)
    same(gradient["rest"]["b"][1], 4)


def test_has_aux_passes_the_rest_out_without_a_record():
    def f(x):
        y = x * 2
        return np.sum(y), {"y": y, "note": "kept", "n": 3}

    gradient, aux = np.grad(f, has_aux=True)(X)
    same(gradient, [2, 2, 2])
    same(aux["y"], X * 2)
    assert aux["note"] == "kept"
    assert aux["n"] == 3
    assert not aux["y"].tensor.requires_grad
    (value, aux), gradient = np.value_and_grad(f, has_aux=True)(X)
    same(value, 2 * np.sum(X))
    assert aux["note"] == "kept"


@pytest.mark.parametrize("f", [lambda x: 3, lambda x: 2.5, lambda x: np.ones(()), lambda x: np.sum(np.floor(x) * 0)])
def test_a_function_that_does_not_depend_on_its_argument_has_gradient_zero(f):
    same(np.grad(f)(X), [0, 0, 0])
    same(np.hessian(f)(X), np.zeros((3, 3)))


def test_unused_parts_have_gradient_zero():
    a, b = np.grad(lambda a, b: np.sum(b), (0, 1))(X, X)
    same(a, [0, 0, 0])
    same(b, [1, 1, 1])


def test_elementwise_grad_of_a_curve():
    x = np.linspace(-2, 2, 9)
    same(np.elementwise_grad(np.tanh)(x), 1 - np.tanh(x) ** 2)
    second = np.elementwise_grad(np.elementwise_grad(np.tanh))
    same(second(x), -2 * np.tanh(x) * (1 - np.tanh(x) ** 2))


def test_jacobian_of_arrays_and_trees():
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    same(np.jacobian(lambda x: a @ x)(X), a)
    assert np.jacobian(lambda x: np.outer(x, x))(X).shape == (3, 3, 3)
    assert np.jacobian(lambda x: np.sum(x))(X).shape == (3,)
    assert np.jacobian(lambda x: x[:0])(X).shape == (0, 3)
    found = np.jacobian(lambda p: p["a"] * p["b"])({"a": X, "b": X * 2})
    same(found["a"], np.diag(X * 2))
    same(found["b"], np.diag(X))


def test_hessian_and_its_product_agree():
    def f(x, scale):
        return scale * np.sum(np.exp(x) * np.roll(x, 1) ** 2)

    matrix = np.hessian(f)(X, 2.0)
    same(matrix, matrix.T)
    v = np.array([1.0, -2.0, 0.5])
    same(np.hvp(f)(X, 2.0, v), matrix @ v)
    same(np.hvp(f, "x")(X, 2.0, [1.0, -2.0, 0.5]), matrix @ v)
    same(np.jvp(lambda x: np.grad(f)(x, 2.0), (X,), (v,))[1], matrix @ v)
    same(np.jacobian(np.grad(f))(X, 2.0), matrix)


def test_vjp_may_be_pulled_again_and_is_differentiable():
    value, pullback = np.vjp(lambda x, y: {"p": x * y, "s": np.sum(x)}, X, X + 1)
    same(value["p"], X * (X + 1))
    for _ in range(2):
        x, y = pullback({"p": np.ones(3), "s": np.ones(())})
        same(x, X + 2)
        same(y, X)
    _, pullback, aux = np.vjp(lambda x: (x**2, "aux"), X, has_aux=True)
    assert aux == "aux"
    same(np.grad(lambda x: np.sum(np.vjp(lambda z: z**3, x)[1](X)[0]))(X), 6 * X * X)


def test_jvp_runs_forwards_over_everything():
    value, tangent = np.jvp(lambda x, y: x * np.sin(y), (X, X), (np.ones(3), np.zeros(3)))
    same(value, X * np.sin(X))
    same(tangent, np.sin(X))
    along = lambda f: lambda x: np.jvp(f, (x,), (np.ones_like(x),))[1]  # noqa: E731
    same(along(along(along(np.sin)))(X), -np.cos(X))
    same(along(np.grad(lambda x: np.sum(x**4)))(X), 12 * X**2)
    same(np.grad(lambda x: np.sum(along(lambda z: z**4)(x)))(X), 12 * X**2)


def test_vmap_of_a_function_for_one_example():
    batch = np.arange(6.0).reshape(2, 3)
    same(np.vmap(lambda row: np.sum(row**2))(batch), np.sum(batch**2, axis=1))
    same(np.vmap(np.dot, in_axes=(0, None))(batch, X), batch @ X)
    same(np.vmap(lambda c: c * 2, in_axes=1, out_axes=1)(batch), batch * 2)
    both = np.vmap(lambda p, y: {"sum": p["a"] + y, "y": (y,)}, in_axes=({"a": 1}, 0))({"a": batch}, X)
    same(both["sum"], batch.T + X[:, None])
    same(both["y"][0], X)
    same(np.vmap(lambda x, k: x + k)(X, k=X), 2 * X)


def test_vmap_of_a_gradient_gives_one_for_each_example():
    w, batch = np.array([1.0, -1.0, 2.0]), np.arange(6.0).reshape(2, 3)
    loss = lambda w, x: np.tanh(w @ x) ** 2  # noqa: E731
    found = np.vmap(np.grad(loss), in_axes=(None, 0))(w, batch)
    same(found, np.stack([np.grad(loss)(w, x) for x in batch]))
    values, _ = np.vmap(np.value_and_grad(loss), in_axes=(None, 0))(w, batch)
    same(values, np.stack([loss(w, x) for x in batch]))
    same(np.grad(lambda w: np.sum(np.vmap(loss, (None, 0))(w, batch)))(w), np.sum(found, axis=0))
    curvatures = np.vmap(np.hessian(loss), in_axes=(None, 0))(w, batch)
    same(curvatures[1], np.hessian(loss)(w, batch[1]))


def test_assignment_to_the_argument_does_not_reach_the_caller():
    def f(x):
        x[0] = 5.0
        x[1:] *= 2
        return np.sum(x**2)

    mine = X.copy()
    same(np.grad(f)(mine), [0, 8 * -1.2, 16])
    same(mine, X)


def test_gradients_pass_through_views_and_assignments():
    def f(x):
        y = np.zeros((2, 3))
        y[0] = x
        y[1, ::-1] = x**2
        view = y.T
        view[2] += 1
        y[y > 3.5] = 0
        return np.sum(y * np.arange(1.0, 7).reshape(2, 3))

    np.check_grads(f)(X)
    same(np.grad(f)(X), [1 + 12 * 0.3, 2 + 10 * -1.2, 3 + 0])


def test_gradients_pass_through_fancy_indexing():
    index = np.array([0, 2, 2, 0])
    same(np.grad(lambda x: np.sum(x[index] * np.array([1.0, 2.0, 3.0, 4.0])))(X), [5, 0, 5])
    same(np.grad(lambda x: np.sum(x[x > 0]))(X), [1, 0, 1])
    same(np.grad(lambda x: np.sum(x[::-1][:2]))(X), [0, 1, 1])
    np.check_grads(lambda x: x[[0, 1], :, None][:, [1, 2]])(np.outer(X, X))


@pytest.mark.parametrize("tied", [np.max, np.min, np.amax, lambda x: np.maximum.reduce(x), lambda x: np.sort(x)[-1]])
def test_tied_extremes_share_the_gradient(tied):
    x = np.array([2.0, 2.0, 2.0])
    if tied in (np.max, np.min, np.amax):
        same(np.grad(tied)(x), [1 / 3] * 3)
        same(np.grad(lambda y: np.sum(tied(y.reshape(3, 1), axis=0)))(x), [1 / 3] * 3)
    same(np.sum(np.grad(tied)(x)), 1.0)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_tied_pairs_halve_the_gradient(name):
    f = getattr(np, name)
    a, b = np.grad(lambda a, b: np.sum(f(a, b)), (0, 1))(np.array([1.0, 2.0, 5.0]), np.array([1.0, 5.0, 2.0]))
    same(a, [0.5, 1, 0] if "min" in name else [0.5, 0, 1])
    same(b, 1 - a)


def test_checkpoint_computes_the_same_gradients_again():
    calls = []

    def block(x):
        calls.append(1)
        return np.tanh(x @ x.T)

    x = np.outer(X, X)
    f = lambda x: np.sum(np.checkpoint(block)(x))  # noqa: E731
    plain = lambda x: np.sum(block(x))  # noqa: E731
    gradient = np.grad(f)(x)
    assert len(calls) == 2
    same(gradient, np.grad(plain)(x))
    same(np.hessian(f)(x), np.hessian(plain)(x))
    same(np.jvp(f, (x,), (x,))[1], np.jvp(plain, (x,), (x,))[1])


def test_complex_gradients_follow_jax_and_autograd():
    z = np.array([1.0 + 2.0j, -0.5 + 0.3j])
    same(np.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * np.conj(z))
    same(np.grad(lambda z: np.real(z**3), holomorphic=False)(z[0]), 3 * z[0] ** 2)
    same(np.grad(lambda z: z**3, holomorphic=True)(z[0]), 3 * z[0] ** 2)
    same(np.elementwise_grad(np.exp)(z), np.exp(z))
    same(np.jacobian(lambda z: z**2)(z), np.diag(2 * z))
    same(np.vjp(lambda z: z**2, z)[1](np.array([1j, 2.0]))[0], 2 * z * np.array([1j, 2.0]))
    same(np.grad(lambda x: np.abs(np.exp(1j * x) + 1) ** 2)(0.4), -2 * np.sin(0.4))
    np.check_grads(lambda z: z**2 * np.conj(z))(z)


def test_threads_do_not_see_each_other():
    found = {}

    def work(n):
        found[n] = np.grad(np.grad(lambda x: x**n))(2.0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, value in found.items():
        same(value, n * (n - 1) * 2.0 ** (n - 2))
    assert len(found) == 6


def test_float32_stays_float32():
    assert np.grad(lambda x: np.sum(x * 2.0))(np.ones(2, dtype="float32")).dtype == numpy.float32


def overwritten_result(x: np.ndarray) -> np.ndarray:
    h = np.exp(x)
    h[0] = h[1] * 2
    h *= 3.0
    return (h * h).sum()


def overwritten_factor(x: np.ndarray) -> np.ndarray:
    h = x * 1
    total = (h * h).sum()
    view = h[1:]
    view[:] = 0.0
    h += x
    return total + (h**3).sum()


def written_in_a_loop(x: np.ndarray) -> np.ndarray:
    states = np.zeros((4, 3))
    states[0] = x
    for t in range(1, 4):
        states[t] = np.tanh(states[t - 1]) * 2
    np.add.at(states, ([0, 0], [1, 1]), x[0])
    np.clip(states, -1.0, 1.2, out=states)
    return (states**2).sum()


@pytest.mark.parametrize("function", [overwritten_result, overwritten_factor, written_in_a_loop])
def test_assignments_may_overwrite_what_the_gradient_needs(function: Callable) -> None:
    x = np.array([0.3, -0.7, 1.1])
    np.check_grads(function, ["rev"], order=2)(x)
    np.check_grads(function, ["fwd"], order=1)(x)
    same(np.grad(np.checkpoint(function))(x), np.grad(function)(x))
    rows = np.array([[0.3, -0.7, 1.1], [1.0, 2.0, 0.5]])
    each = np.stack([np.grad(function)(row) for row in rows])
    same(np.grad(lambda rows: np.vmap(function)(rows).sum())(rows), each)


def test_a_change_that_no_array_has_seen_is_refused() -> None:
    def hidden(x: np.ndarray) -> np.ndarray:
        h = np.exp(x)
        h.tensor.detach().mul_(2)
        return h.sum()

    with pytest.raises(RuntimeError, match=r"shape \(3,\) that the gradient needs was changed"):
        np.grad(hidden)(np.ones(3))


def test_a_function_that_begins_to_write_is_recorded_again_with_care() -> None:
    runs = []

    def sometimes(x: np.ndarray, write: bool) -> np.ndarray:
        runs.append(write)
        h = np.exp(x)
        if write:
            h[0] = 1.0
        return (h * h).sum()

    for write in (False, False, True, True, False):
        found = np.grad(sometimes)(X, write)
        expected = 2 * np.exp(2 * X) * (np.array([0.0, 1.0, 1.0]) if write else 1.0)
        same(found, expected)
    assert runs == [False, False, True, True, True, False]  # the third call ran twice: its first write was the first
    outer = np.grad(lambda x: np.grad(lambda y: sometimes(y, True))(x).sum())
    same(outer(X), [0.0, *(4 * np.exp(2 * X))[1:].tolist()])


def test_a_change_after_a_function_that_writes_nothing_is_refused_too() -> None:
    for _ in range(2):
        x = np.ones(3)
        h = np.exp(x)
        _, pull = np.vjp(lambda y, h=h: (y * h).sum(), x)
        h[0] = 5.0
        with pytest.raises(RuntimeError, match="that the gradient needs was changed"):
            pull(1.0)


def test_stop_gradient_makes_constants_of_arrays_in_any_container() -> None:
    def loss(x: np.ndarray) -> np.ndarray:
        frozen = np.stop_gradient({"a": [x], "b": 2})
        return (frozen["a"][0] * x * frozen["b"]).sum()

    same(np.grad(loss)(X), 2 * X)
    same(np.vmap(np.grad(loss))(X.reshape(3, 1)), 2 * X.reshape(3, 1))


def test_tree_map_updates_parameters_by_their_gradients() -> None:
    params = {"w": X, "b": (np.array(1.0), [np.ones(2)])}
    slope = np.grad(lambda p: (p["w"] ** 2).sum() + p["b"][0] * p["b"][1][0].sum())(params)
    fresh = np.tree_map(lambda p, g: p - 0.1 * g, params, slope)
    same(fresh["w"], 0.8 * X)
    same(fresh["b"][1][0], [0.9, 0.9])
    with pytest.raises(ValueError, match="3, 1 leaves"):
        np.tree_map(lambda p, g: p, params, X)


def test_logaddexp_reduces_along_an_axis_and_has_the_gradient_of_softmax() -> None:
    x = np.arange(6.0).reshape(2, 3)
    same(np.logaddexp.reduce(x, axis=1), numpy.logaddexp.reduce(numpy.asarray(x), axis=1))
    e = numpy.exp(numpy.asarray(x))
    same(np.grad(lambda x: np.logaddexp.reduce(x, axis=1).sum())(x), e / e.sum(1, keepdims=True))
