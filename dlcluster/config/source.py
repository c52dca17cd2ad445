"""YAML text to plain values, remembering the line and column of every key and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong at a place of the file; line and column count from 1."""

    line: int
    column: int
    message: str


@dataclass
class Source:
    """A parsed file: its values (lists as tuples), the places of keys and values by path, and what was wrong."""

    value: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of the key or value at the path, or of the nearest thing around it."""
        if of_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))


def parse(text: str) -> Source:
    """Parse YAML text. Syntax errors and duplicate keys end up in `problems`, never in an exception."""
    source = Source()
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            source.value = _Reader(loader, source).read(node, ())
    except yaml.MarkedYAMLError as error:
        line, column = _place(error.problem_mark or error.context_mark)
        source.problems.append(Problem(line, column, f"not valid YAML: {error.problem or error.context}"))
    except yaml.reader.ReaderError as error:
        source.problems.append(Problem(text.count("\n", 0, error.position) + 1, 1, f"not valid YAML: {error.reason}"))
    return source


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, source: Source) -> None:
        self._loader = loader
        self._source = source
        self._open: set[int] = set()

    def read(self, node: yaml.Node, path: Path) -> Any:
        self._source.values[path] = _place(node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            self._problem(node, "an alias refers to the mapping or list that it stands in")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return dict(self._items(node, path))
            return tuple(self.read(item, (*path, index)) for index, item in enumerate(node.value))
        finally:
            self._open.remove(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # a date that does not exist, a tag that does not fit
            self._problem(node, f"not a value: {error}")
            return None

    def _items(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "expected a plain word as key")
                continue
            key = str(key_node.value)
            where = (*path, key)
            if where in self._source.keys:
                first = self._source.keys[where][0]
                self._problem(key_node, f"key '{key}' is there twice, first on line {first}")
                continue
            self._source.keys[where] = _place(key_node.start_mark)
            yield key, self.read(value_node, where)

    def _problem(self, node: yaml.Node, message: str) -> None:
        self._source.problems.append(Problem(*_place(node.start_mark), message))


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
