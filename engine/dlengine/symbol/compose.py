"""A graph applied to other symbols."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlengine.errors import EngineError, unknown
from dlengine.symbol.node import _SERIAL, Node
from dlengine.symbol.symbol import Symbol


def compose(symbol: Symbol, given: tuple[Any, ...], named: dict[str, Any]) -> Symbol:
    """The graph with other symbols in place of its variables, in their order or by name; the rest is as it was."""
    graph = symbol.graph
    names = [graph.names[node] for node in graph.variables]
    if len(given) > len(names):
        raise EngineError(f"{len(given)} symbols for {len(names)} variables ({', '.join(names)})")
    wanted = dict(zip(names, given, strict=False)) | named
    for name, value in wanted.items():
        if name not in names:
            raise unknown("variable", name, names)
        if not isinstance(value, Symbol):
            raise EngineError(
                f"'{name}' is a {type(value).__name__}, and a symbol holds no weights to compute with",
                "bind it first: net.bind((64, 1, 28, 28)) gives a module that takes tensors",
            )
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        name = graph.names[node]
        if node.op == "Variable" and name in wanted:
            continue
        inputs = tuple(_entry(graph.names, wanted, new, entry) for entry in node.inputs)
        new[node] = replace(node, inputs=inputs, serial=next(_SERIAL))
    return Symbol(tuple(_entry(graph.names, wanted, new, entry) for entry in graph.outputs))


def _entry(names: Any, wanted: dict[str, Symbol], new: dict[Node, Node], entry: tuple[Node, int]) -> tuple[Node, int]:
    node, index = entry
    return (new[node], index) if node in new else wanted[names[node]].entry
