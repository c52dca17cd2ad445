"""Python functions and torch modules as nodes of a graph: whatever Python can do, print and breakpoint included."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import nn

from dlengine.errors import EngineError
from dlengine.symbol.arrays import unwrap
from dlengine.symbol.call import fill
from dlengine.symbol.functions import template
from dlengine.symbol.node import Node
from dlengine.symbol.symbol import Symbol


class PythonFunction(nn.Module):
    """A Python function as a layer. It gets tensors; a `dlengine.numpy` array that it returns becomes a tensor."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        super().__init__()
        self.function = function
        self._args, self._kwargs = args, kwargs

    def forward(self, *inputs: Any) -> Any:
        return unwrap(self.function(*fill(self._args, inputs), **fill(self._kwargs, inputs)))

    def extra_repr(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))


def node(function: Callable[..., Any] | None = None, *, shape: Callable[..., Any] | None = None) -> Any:
    """Make a Python function usable in graphs: given a symbol it becomes a node, given arrays it runs at once.

        @symbol.node
        def watch(x):
            print(x.shape, float(x.mean()))
            return x

    To learn the shape of its result, it is called once on zeros when the graph is bound; `shape=`, a function of the
    input shapes that returns the output's, spares that.
    """
    if function is None:
        return functools.partial(node, shape=shape)
    if not callable(function):
        raise EngineError(f"node got a {type(function).__name__}", "write @symbol.node above a function")

    @functools.wraps(function)
    def call(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        if not any(isinstance(value, Symbol) for value in (*args, *kwargs.values())):
            return function(*args, **kwargs)
        return hold(function, args, kwargs, name=name, shape=shape)

    return call


def hold(function: Callable[..., Any], args: Any, kwargs: Any, *, name: str | None = None, shape: Any = None) -> Symbol:
    """A node that calls a Python function, which a file can name but not hold."""
    inputs, params = template(args, kwargs)
    params["function"] = getattr(function, "__name__", type(function).__name__)
    return Symbol(((Node("Function", inputs, params, name, held=(function, shape)), 0),))


def Module(module: nn.Module, *args: Any, name: str | None = None, **kwargs: Any) -> Symbol:
    """Any torch module as a node, applied to symbols; every binding works on a copy of it, weights included."""
    if not isinstance(module, nn.Module):
        raise EngineError(f"Module got a {type(module).__name__}", "Module(a torch module, symbol, ...)")
    inputs, params = template(args, kwargs)
    params["module"] = type(module).__name__
    return Symbol(((Node("Module", inputs, params, name, held=module), 0),))
