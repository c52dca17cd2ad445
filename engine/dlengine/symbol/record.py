"""Functions of arrays as graphs: run once on symbolic examples, with every operation of torch written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx

from dlengine.errors import EngineError
from dlengine.symbol.arrays import is_array, unwrap, wrap
from dlengine.symbol.blame import place, reason
from dlengine.symbol.functions import FUNCTIONS


def record(function: Callable[..., Any], examples: tuple[Any, ...]) -> tuple[fx.Graph, nn.Module]:
    """The torch.fx graph of a function of arrays or tensors, and the module that holds its constants."""
    if isinstance(function, nn.Module):
        raise EngineError("a torch module is traced without examples", "symbol.trace(module)")
    arrays = any(map(is_array, examples))
    names = list(inspect.signature(function).parameters)[: len(examples)]

    def run(*tensors: torch.Tensor) -> Any:
        return unwrap(function(*(wrap(tensors) if arrays else tensors)))

    try:
        module = make_fx(run, tracing_mode="symbolic")(*[torch.as_tensor(unwrap(example)) for example in examples])
    except Exception as error:
        name = getattr(function, "__qualname__", type(function).__name__)
        sizes = "dtype object" in str(error)  # NumPy's view of a symbolic size
        why = "it computes with the size of an array, which is not known here" if sizes else reason(error)
        raise EngineError(
            f"{name} cannot be traced: {why}{place(error)}",
            "what depends on the values of arrays may be a function of its own, decorated with symbol.node",
        ) from None
    module.graph.eliminate_dead_code()
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    for node, name in zip(inputs, names, strict=True):
        node.target = name
        fixed = [axis for axis, size in enumerate(node.meta["val"].shape) if _is_fixed(size)]
        if 0 in fixed:
            raise EngineError(
                f"the graph would hold for {examples[names.index(name)].shape[0]} samples of '{name}' only",
                "leave the batch's size open, for example reshape(-1, n) instead of reshape(x.shape[0], n)",
            )
        node.meta["variable"] = {"shape": tuple(examples[names.index(name)].shape), "fixed": tuple(fixed)}
    for node in module.graph.nodes:  # constants are made where the graph is computed, not where it was recorded
        node.kwargs = {key: value for key, value in node.kwargs.items() if key not in ("device", "pin_memory")}
    return module.graph, module


def _is_fixed(size: Any) -> bool:
    """Whether the code has taken the size of an axis as a number. Sizes of 1 are always so."""
    return isinstance(size, int) or size.node.maybe_as_int() is not None


def table_name(function: Any, kwargs: dict[str, Any]) -> str | None:
    """The table's function that an operation of torch is; None where none takes the same arguments."""
    if not isinstance(function, OpOverload):
        return None
    name = function._opname
    of_python = {"div": "truediv", "_to_copy": "to"}.get(name, name)
    known = FUNCTIONS.get(of_python)
    if known is getattr(torch, name, None) and known is not None:
        return of_python
    if of_python in FUNCTIONS and not kwargs:
        return of_python
    return f"Tensor.{of_python}" if f"Tensor.{of_python}" in FUNCTIONS else None
