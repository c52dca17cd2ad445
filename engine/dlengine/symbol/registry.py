"""The operators: how each is called, and which layer of torch it becomes once its input shapes are known."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlengine.errors import EngineError, unknown
from dlengine.symbol.node import Node
from dlengine.symbol.parameters import check
from dlengine.symbol.symbol import Symbol

Shape = tuple[int, ...]
Step = Callable[..., Any]
Path = tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """`build(*input shapes, **params)` gives a module, a function, or a list of them to apply one after another.

    `weights` and `states` name the layer's parameters and buffers for given params, before any shape is known.
    `outputs` says where the values lie in what the layer returns: () is the value itself.
    """

    name: str
    build: Callable[..., Step | list[Step]]
    weights: Callable[[dict[str, Any]], tuple[str, ...]]
    states: Callable[[dict[str, Any]], tuple[str, ...]]
    outputs: Callable[[dict[str, Any]], tuple[Path, ...]]
    inputs: tuple[int, int]
    family: str


OPERATORS: dict[str, Operator] = {}


def none(params: dict[str, Any]) -> tuple[str, ...]:
    """No weights."""
    return ()


def _single(params: dict[str, Any]) -> tuple[Path, ...]:
    return ((),)


def operator(
    family: str,
    *,
    inputs: tuple[int, int] = (1, 1),
    weights: Callable[[dict[str, Any]], tuple[str, ...]] = none,
    states: Callable[[dict[str, Any]], tuple[str, ...]] = none,
    outputs: Callable[[dict[str, Any]], tuple[Path, ...]] = _single,
) -> Callable[[Callable[..., Any]], Callable[..., Symbol]]:
    """Register the decorated `build` function; what comes back makes symbols.

    The keyword-only parameters of `build` are those of the operator. inputs: the least and the largest number.
    """

    def register(build: Callable[..., Any]) -> Callable[..., Symbol]:
        OPERATORS[build.__name__] = Operator(build.__name__, build, weights, states, outputs, inputs, family)

        @functools.wraps(build)
        def call(*symbols: Symbol, name: str | None = None, layer: str | None = None, **params: Any) -> Symbol:
            if "data" in params:
                symbols = (params.pop("data"), *symbols)
            return make(build.__name__, symbols, params, name=name, layer=layer)

        return call

    return register


def find(name: object) -> Operator:
    """The operator of that name; EngineError with the nearest one otherwise."""
    if name not in OPERATORS:
        raise unknown("operator", name, OPERATORS)
    return OPERATORS[str(name)]


def make(
    op: str, symbols: tuple[Any, ...], params: dict[str, Any], *, name: str | None = None, layer: str | None = None
) -> Symbol:
    """A symbol of the operator `op`, with everything checked that can be before shapes are known."""
    found = find(op)
    where = f"layer '{name}' ({op})" if name else op
    least, most = found.inputs
    for symbol in symbols:
        if not isinstance(symbol, Symbol):
            raise EngineError(
                f"{where}: an input is a {type(symbol).__name__}", "give symbols, such as Variable('data')"
            )
    entries = tuple(symbol.entry for symbol in symbols)
    if not least <= len(entries) <= most:
        wanted = str(least) if least == most else f"{least} to {most}" if most < 99 else f"at least {least}"
        raise EngineError(f"{where}: it has {len(entries)} inputs and takes {wanted}")
    checked = check(where, found.build, params)
    node = Node(op, entries, checked, name, layer)
    return Symbol(tuple((node, index) for index in range(len(found.outputs(checked)))))
