"""A recipe and its components as they were read, before anybody has looked whether they fit together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from dlcluster.config.source import Path as Loc
from dlcluster.config.source import Problem, Source
from dlcluster.image.library import Library
from dlcluster.image.model import Component, Recipe

M = TypeVar("M", bound=BaseModel)
Found = tuple[str, Problem]
"""A file's name and what is wrong in it."""


@dataclass(frozen=True)
class Placed(Generic[M]):
    """The values of a YAML file, and where they stand in it."""

    value: M
    source: Source
    path: Path

    def problem(self, loc: Loc, message: str, *, of_key: bool = False) -> Found:
        """Something wrong with the value (or the key) at `loc`."""
        return str(self.path), Problem(*self.source.place(loc, of_key=of_key), message)

    def files(self) -> list[Path]:
        """The files beside it, itself among them."""
        return sorted(path for path in self.path.parent.iterdir() if path.is_file() and not path.name.startswith("."))


@dataclass(frozen=True)
class Draft:
    """A recipe, and by name every component that it or one of them names and that exists."""

    library: Library
    recipe: Placed[Recipe]
    components: dict[str, Placed[Component]]

    def shared(self, name: str) -> Path:
        """A shared file that exists."""
        path = self.library.shared(name)
        assert path is not None, "rules have seen that it is there"
        return path
