"""Nested parameters: what lies in dicts, lists, tuples, named tuples and dataclasses, taken out and put back."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """What is no container, in order; None holds no leaf."""
    inside = children(tree)
    if inside is None:
        return [tree]
    return [leaf for _, child in inside for leaf in leaves(child)]


def build(tree: Any, values: Iterable[Any]) -> Any:
    """A tree of the same shape with other leaves."""
    return _build(tree, iter(values))


def paths(tree: Any, prefix: str = "") -> list[str]:
    """How a program writes each leaf, for messages: `['layers'][0].weight`."""
    inside = children(tree)
    if inside is None:
        return [prefix]
    return [path for label, child in inside for path in paths(child, prefix + label)]


def children(node: Any) -> list[tuple[str, Any]] | None:
    """Labels and contents of a container; None for a leaf. Dataclass fields with metadata `static` stay as they are."""
    if node is None:
        return []
    if isinstance(node, dict):
        return [(f"[{key!r}]", value) for key, value in node.items()]
    if isinstance(node, (list, tuple)):
        names = getattr(node, "_fields", None)
        labels = [f".{name}" for name in names] if names else [f"[{index}]" for index in range(len(node))]
        return list(zip(labels, node, strict=True))
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return [(f".{name}", getattr(node, name)) for name in _fields(node)]
    return None


def _build(node: Any, values: Iterator[Any]) -> Any:
    inside = children(node)
    if inside is None:
        return next(values)
    return _remake(node, [_build(child, values) for _, child in inside])


def _remake(node: Any, contents: list[Any]) -> Any:
    if node is None:
        return None
    if isinstance(node, dict):
        same = copy.copy(node)
        same.update(zip(node, contents, strict=True))
        return same
    if isinstance(node, (list, tuple)):
        return type(node)(*contents) if hasattr(node, "_fields") else type(node)(contents)
    same = copy.copy(node)
    for name, value in zip(_fields(node), contents, strict=True):
        object.__setattr__(same, name, value)  # a frozen dataclass too
    return same


def _fields(node: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(node) if not field.metadata.get("static")]
