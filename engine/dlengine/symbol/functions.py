"""Torch functions and tensor methods as nodes: arithmetic on symbols, and what a trace finds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch.nn import functional

from dlengine.symbol.call import change
from dlengine.symbol.node import Node, Ref
from dlengine.symbol.symbol import Symbol

_OPERATORS = "add sub mul truediv floordiv mod pow matmul neg getitem lt le gt ge eq ne and_ or_ invert"
_TORCH = """
abs acos addmm all amax amin any arange argmax argmin asin atan atan2 baddbmm bmm cat ceil chunk clamp concat cos cosh
cumsum diagonal dot einsum erf exp expand_copy expm1 eye flatten flip floor full full_like gather index_select isfinite
linspace log log10 log1p log2 log_softmax logical_and logical_not logical_or logsumexp masked_fill max maximum mean
min minimum mm movedim mv narrow norm ones ones_like outer permute prod reciprocal relu repeat_interleave reshape roll
round rsqrt select sigmoid sign sin sinh softmax split sqrt square squeeze stack std sum swapaxes tan tanh tensordot
tile topk transpose tril triu unbind unflatten unsqueeze var where zeros zeros_like
"""
_FUNCTIONAL = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d celu dropout elu gelu glu
hardsigmoid hardswish hardtanh interpolate layer_norm leaky_relu local_response_norm log_softmax logsigmoid
max_pool1d max_pool2d mish normalize one_hot pad pixel_shuffle relu relu6 scaled_dot_product_attention selu sigmoid
silu softmax softplus softsign tanh unfold
"""
_METHODS = """
abs add amax amin any all argmax argmin bool bmm chunk clamp clone contiguous cos cumsum detach div double exp expand
expand_as flatten flip float gather half index_select int log long masked_fill matmul max mean min mul narrow neg norm
numel permute pow prod relu repeat reshape roll rsqrt select sigmoid sin size softmax split sqrt square squeeze std sub
sum t tanh to transpose tril triu type_as unbind unflatten unsqueeze var view view_as
"""
ATTRIBUTES = ("shape", "dtype", "device", "ndim", "T", "mT")

FUNCTIONS: dict[str, Callable[..., Any] | str] = {name: getattr(operator, name) for name in _OPERATORS.split()}
FUNCTIONS |= {name: getattr(torch, name) for name in _TORCH.split() if hasattr(torch, name)}
FUNCTIONS |= {f"nn.{name}": getattr(functional, name) for name in _FUNCTIONAL.split()}
FUNCTIONS |= {f"Tensor.{name}": name for name in _METHODS.split()}
FUNCTIONS |= {"getattr": getattr, "sqrt_number": math.sqrt}
_NAMES = {function: name for name, function in FUNCTIONS.items() if not isinstance(function, str)}
# Other spellings of the same functions, as traces and symbols in torch functions meet them.
_NAMES |= {
    torch.add: "add",
    torch.sub: "sub",
    torch.mul: "mul",
    torch.div: "truediv",
    torch.pow: "pow",
    torch.matmul: "matmul",
    torch.neg: "neg",
    torch.concat: "cat",
}


def apply(op: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *, name: str | None = None) -> Symbol:
    """A node that calls the function `op` of the table; symbols may stand anywhere inside the arguments."""
    inputs, params = template(args, kwargs or {})
    return Symbol(((Node(op, inputs, params, name), 0),))


def template(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[tuple[Node, int], ...], dict[str, Any]]:
    """The symbols among the arguments, and the arguments with a Ref in place of each; arrays become inputs as well."""
    entries: list[tuple[Node, int]] = []

    def leaf(value: Any) -> Any:
        entry = constant(value) if isinstance(value, torch.Tensor | numpy.ndarray) else value
        if not isinstance(entry, Symbol):
            return value
        if entry.entry not in entries:
            entries.append(entry.entry)
        return Ref(entries.index(entry.entry))

    params = {"args": change(tuple(args), leaf), "kwargs": change(kwargs, leaf)}
    return tuple(entries), params


def constant(
    value: torch.Tensor | numpy.ndarray[Any, Any], name: str | None = None, layer: str | None = None
) -> Symbol:
    """A node that holds a tensor: a weight if it is a Parameter, else a buffer of the network."""
    held = value if isinstance(value, torch.Tensor) else torch.from_numpy(value)
    return Symbol(((Node("Parameter", (), {}, name, layer, held), 0),))


def name_of(function: Any) -> str | None:
    """The table's name of a torch function or tensor method; None for what is not in it."""
    try:
        if function in _NAMES:
            return _NAMES[function]
    except TypeError:  # not hashable
        return None
    method = f"Tensor.{getattr(function, '__name__', '')}"
    return method if method in FUNCTIONS and getattr(torch.Tensor, method[7:], None) is function else None


def apply_torch(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Symbol:
    """A node for any torch function: one of the table, or one that is held as a Python function."""
    name = name_of(function)
    if name is not None:
        return apply(name, args, kwargs)
    from dlengine.symbol.python import hold

    return hold(function, args, kwargs)


def attribute(symbol: Symbol, name: str) -> Any:
    """A tensor method bound to a symbol, or an attribute as a node."""
    if name in ATTRIBUTES:
        return apply("getattr", (symbol, name))
    if f"Tensor.{name}" not in FUNCTIONS:
        raise AttributeError(f"a Symbol has no attribute {name!r}")
    return lambda *args, **kwargs: apply(f"Tensor.{name}", (symbol, *args), kwargs)


def _binary(name: str) -> Callable[[Symbol, Any], Symbol]:
    return lambda self, other: apply(name, (self, other))


def _reflected(name: str) -> Callable[[Symbol, Any], Symbol]:
    return lambda self, other: apply(name, (other, self))


def _negative(self: Symbol) -> Symbol:
    return apply("neg", (self,))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Symbol, f"__{_name}__", _binary(_name))
    setattr(Symbol, f"__r{_name}__", _reflected(_name))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Symbol, f"__{_name}__", _binary(_name))
setattr(Symbol, "__neg__", _negative)  # noqa: B010 - the class does not declare it
