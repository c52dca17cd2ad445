"""Nested parameters: what lies in dicts, lists, tuples, named tuples and dataclasses, taken out and put back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor

from dlengine.numpy.core import ndarray

_LEAVES = frozenset({ndarray, Tensor, float, int, complex, bool})  # told at once; anything unknown is a leaf, too


def leaves(tree: Any) -> list[Any]:
    """What is no container, in order; None holds no leaf."""
    found: list[Any] = []
    _collect(tree, found)
    return found


def build(tree: Any, values: Iterable[Any]) -> Any:
    """A tree of the same shape with other leaves."""
    return _build(tree, iter(values))


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """A tree of the same shape: the function of each leaf, and of the leaves of trees that have this shape, too.

    `tree_map(lambda p, g: p - 0.1 * g, params, gradient)`. Errors: ValueError for a tree with other leaves.
    """
    columns = [leaves(each) for each in (tree, *others)]
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"tree_map: the trees have {', '.join(str(len(column)) for column in columns)} leaves")
    return build(tree, [function(*each) for each in zip(*columns, strict=True)])


def paths(tree: Any, prefix: str = "") -> list[str]:
    """How a program writes each leaf, for messages: `['layers'][0].weight`."""
    inside = contents(tree)
    if inside is None:
        return [prefix]
    return [path for label, child in zip(_labels(tree), inside, strict=True) for path in paths(child, prefix + label)]


def contents(node: Any) -> Sequence[Any] | None:
    """What a container holds; None for a leaf. Dataclass fields with metadata `static` stay as they are."""
    kind = type(node)
    if kind in _LEAVES:
        return None
    if node is None:
        return ()
    if isinstance(node, dict):
        return list(node.values())
    if isinstance(node, (list, tuple)):
        return node
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return [getattr(node, name) for name in _fields(node)]
    return None


def _collect(node: Any, found: list[Any]) -> None:
    inside = contents(node)
    if inside is None:
        found.append(node)
        return
    for child in inside:
        if type(child) in _LEAVES:
            found.append(child)
        else:
            _collect(child, found)


def _labels(node: Any) -> list[str]:
    if node is None:
        return []
    if isinstance(node, dict):
        return [f"[{key!r}]" for key in node]
    if isinstance(node, (list, tuple)):
        names = getattr(node, "_fields", None)
        return [f".{name}" for name in names] if names else [f"[{index}]" for index in range(len(node))]
    return [f".{name}" for name in _fields(node)]


def _build(node: Any, values: Iterator[Any]) -> Any:
    inside = contents(node)
    if inside is None:
        return next(values)
    return _remake(node, [next(values) if type(child) in _LEAVES else _build(child, values) for child in inside])


def _remake(node: Any, parts: list[Any]) -> Any:
    if node is None:
        return None
    if type(node) is dict:
        return dict(zip(node, parts, strict=True))
    if isinstance(node, dict):
        same = copy.copy(node)
        same.update(zip(node, parts, strict=True))
        return same
    if isinstance(node, (list, tuple)):
        return type(node)(*parts) if hasattr(node, "_fields") else type(node)(parts)
    same = copy.copy(node)
    for name, value in zip(_fields(node), parts, strict=True):
        object.__setattr__(same, name, value)  # a frozen dataclass too
    return same


def _fields(node: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(node) if not field.metadata.get("static")]
