"""The calls of the benchmark's table: torch.compile takes them as one graph, and they stay on their device."""

from __future__ import annotations

import re
import warnings
from typing import Any

import dlengine.numpy as np
import numpy
import pytest
import torch

from benchmarks.numpy_calls import calls
from benchmarks.numpy_worker import operands

REFUSED = {"np.histogram(x, 4)"}  # it decides by the values of its array
PURE = [call.numpy for call in calls() if not call.in_place and call.numpy not in REFUSED]


def values(made: Any) -> list[Any]:
    parts = made if isinstance(made, (tuple, list)) else [made]
    return [numpy.asarray(part) for part in parts]


@pytest.mark.slow
@pytest.mark.parametrize("text", PURE)
def test_a_call_compiles_as_one_graph(text: str) -> None:
    arrays = {name: value for name, value in operands().items() if re.search(rf"\b{name}\b", text)}
    space: dict[str, Any] = {"np": np}
    lines = [f"def call({', '.join(arrays)}):", *(f" {name} = np.asarray({name})" for name in arrays)]
    exec("\n".join([*lines, f" return {text}"]), space)
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(space["call"], fullgraph=True, backend="eager")
        found = compiled(*map(torch.from_numpy, arrays.values()))
    for ours, theirs in zip(values(found), values(space["call"](**arrays)), strict=True):
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-5)


def matmul_of_array_and_tensor(x: Any, y: Any) -> Any:
    return np.asarray(x) @ y.T


def matmul_of_tensor_and_array(x: Any, y: Any) -> Any:
    return x @ np.asarray(y).T


def matmul_in_place(x: Any, y: Any) -> Any:
    z = np.asarray(x).copy()
    z @= np.eye(4, dtype=np.float32)
    return z


def operators(x: Any, y: Any) -> Any:
    a, b = np.asarray(x), np.asarray(y)
    inside = ~(a < b) & (a != 1) | (b <= 2)
    return inside * (a[1:, ::-2] @ b[1:, ::-2].T).sum() + 2**-a - b // 0.5 % 3


def methods(x: Any, y: Any) -> Any:
    a = np.asarray(x)
    a = a.reshape(-1)[np.asarray([0, 2, 1])].astype(np.float64).clip(-1, 1)
    return a.cumsum() / a.std() + np.asarray(y).max(axis=0).mean()


def assignments(x: Any, y: Any) -> Any:
    z = np.zeros((3, 4))
    for row in range(3):
        z[row, 1:] = np.asarray(x)[row, :-1]
    z[0] += y[1]
    return z


def quantiles(x: Any, y: Any) -> Any:
    a = np.asarray(x)
    found = np.quantile(a, 0.3, axis=(0, 1)) + np.quantile(a, [0.2, 0.7], axis=1, method="hazen").sum()
    return found + np.std(a, axis=0, where=np.asarray(y) > -9).sum() + np.linalg.qr(a, mode="r")[0, 0]


@pytest.mark.parametrize(
    "function",
    [
        matmul_of_array_and_tensor,
        matmul_of_tensor_and_array,
        matmul_in_place,
        operators,
        methods,
        assignments,
        quantiles,
    ],
    ids=lambda function: function.__name__,
)
def test_operators_methods_and_assignments_compile_as_one_graph(function: Any) -> None:
    x, y = torch.from_numpy(operands()["x"]), torch.from_numpy(operands()["y"])
    torch._dynamo.reset()
    found = torch.compile(function, fullgraph=True, backend="eager")(x, y)
    numpy.testing.assert_allclose(numpy.asarray(found), numpy.asarray(function(x, y)), rtol=1e-5)


# What reads the values of its arrays, which "meta", a device without values, has not.
READING = {"np.average(x, axis=0, weights=p)", "x[m]", "np.take(x, k, axis=0)", "np.take_along_axis(x, j, axis=0)",
    "np.where(m)", "np.nonzero(m)", "np.unique(i)", "np.bincount(k)", "np.allclose(x, y)",
    "np.histogram(x, 4)"}  # fmt: skip


@pytest.mark.parametrize("text", sorted({call.numpy for call in calls() if not call.in_place} - READING))
def test_a_call_stays_on_its_device(text: str) -> None:
    with np.device("meta"):
        used = {name: value for name, value in operands().items() if re.search(rf"\b{name}\b", text)}
        arrays = {name: np.asarray(torch.from_numpy(value).to("meta")) for name, value in used.items()}
        found = eval(text, {"np": np}, arrays)
    parts = found if isinstance(found, (tuple, list)) else [found]
    assert {part.device.type for part in parts if isinstance(part, np.ndarray)} <= {"meta"}


def test_a_compiled_function_makes_arrays_where_the_context_says() -> None:
    compiled = torch.compile(lambda: np.zeros(2) + 1, fullgraph=True, backend="eager")
    assert compiled().device.type == "cpu"
    with np.device("meta"):
        assert compiled().device.type == "meta"
    assert compiled().device.type == "cpu"
