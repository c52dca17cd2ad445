"""torch.compile takes NumPy code as one graph: every call of the benchmark's table."""

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

# Dynamo traces @ for tensors alone; the others decide by the values of their arrays.
REFUSED = {"x @ y.T", "np.cov(x)", "np.histogram(x, 4)"}
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


def test_a_compiled_function_makes_arrays_where_the_context_says() -> None:
    compiled = torch.compile(lambda: np.zeros(2) + 1, fullgraph=True, backend="eager")
    assert compiled().device.type == "cpu"
    with np.device("meta"):
        assert compiled().device.type == "meta"
    assert compiled().device.type == "cpu"
