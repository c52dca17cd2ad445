"""One operation of a declarative graph, and the order and names of all of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dlengine.errors import EngineError

_SERIAL = itertools.count()
_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)


@dataclass(frozen=True)
class Ref:
    """Stands for the input with this number among the arguments of a function."""

    index: int


@dataclass(frozen=True, eq=False)
class Node:
    """An operation with its inputs (a node and which of its outputs) and parameters; it never changes.

    `name` is None until the user gives one. `layer` names the layer whose weights this node uses, if not its own.
    `held` is a Python function or torch module that only lives in this process.
    """

    op: str
    inputs: tuple[tuple[Node, int], ...] = field(default=(), repr=False)
    params: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    layer: str | None = None
    held: Any = None
    serial: int = field(default_factory=lambda: next(_SERIAL))

    def __post_init__(self) -> None:
        for name in (self.name, self.layer):
            if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise EngineError(f"a layer cannot be called {name!r}", "use letters, digits, _ and . between parts")


class Graph:
    """The nodes that some outputs depend on, in the order in which they were made, each with a name of its own.

    A node is younger than its inputs, so that this order is also one in which to compute them.
    """

    def __init__(self, outputs: Iterable[tuple[Node, int]]) -> None:
        self.outputs = tuple(outputs)
        self.nodes = _reachable(node for node, _ in self.outputs)
        self.names = _names(self.nodes)

    @property
    def variables(self) -> list[Node]:
        """The free inputs."""
        return [node for node in self.nodes if node.op == "Variable"]

    def layer(self, node: Node) -> str:
        """The name under which a node's weights are kept."""
        return node.layer or self.names[node]

    def describe(self, node: Node) -> str:
        """How messages call a node."""
        return f"layer '{self.names[node]}' ({node.op})"


def _reachable(roots: Iterable[Node]) -> list[Node]:
    found: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(parent for parent, _ in node.inputs)
    return sorted(found, key=lambda node: node.serial)


def _names(nodes: list[Node]) -> dict[Node, str]:
    """A name for every node: its own, or its operator's with a number."""
    names: dict[Node, str] = {}
    taken: dict[str, Node] = {}
    for node in nodes:
        if node.name is None:
            continue
        if node.name in taken:
            raise EngineError(
                f"two parts of the graph are called '{node.name}' ({taken[node.name].op} and {node.op})",
                "give each its own name; make a Variable once and use it again; layer='...' shares weights",
            )
        names[node], taken[node.name] = node.name, node
    counters: dict[str, itertools.count[int]] = {}
    for node in nodes:
        if node.name is None:
            stem = _stem(node)
            numbers = counters.setdefault(stem, itertools.count())
            name = next(name for number in numbers if (name := f"{stem}{number}") not in taken)
            names[node], taken[name] = name, node
    return names


def _stem(node: Node) -> str:
    """What a nameless node is called, before its number: its operator, or the Python function that it calls."""
    called = re.match(r"[A-Za-z_]\w*", node.params["function"], re.ASCII) if node.op == "Function" else None
    return called[0] if called else node.op.rpartition(".")[2].lower()
