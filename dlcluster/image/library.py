"""Where recipes, components and shared files are found: the user's own folder first, then what ships with dlcluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlcluster.errors import Exit, UserError

RECIPE_FILE = "recipe.yaml"
COMPONENT_FILE = "component.yaml"
_NOT_RECIPES = {"components", "shared"}


@dataclass(frozen=True)
class Library:
    """Folders laid out as `images/` is; an earlier one hides what a later one has under the same name."""

    roots: tuple[Path, ...]

    def recipes(self) -> dict[str, Path]:
        """Every recipe's folder by its name, sorted."""
        return self._folders("", RECIPE_FILE)

    def components(self) -> dict[str, Path]:
        """Every component's folder by its name, sorted."""
        return self._folders("components", COMPONENT_FILE)

    def shared(self, name: str) -> Path | None:
        """A file that components share, or None."""
        paths = (root / "shared" / name for root in self.roots)
        return next((path for path in paths if path.is_file()), None)

    def _folders(self, below: str, file: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for root in self.roots:
            for path in sorted((root / below).glob(f"*/{file}")):
                if below or path.parent.name not in _NOT_RECIPES:
                    found.setdefault(path.parent.name, path.parent)
        return dict(sorted(found.items()))


def library(own: Path | None = None) -> Library:
    """The user's folder, if there is one, and the shipped one. UserError when the user's is not a folder."""
    if own is None:
        return Library((shipped(),))
    if not own.is_dir():
        raise UserError(
            "not a folder",
            where=str(own),
            hint="--images, or `images:` in the cluster file, names a folder with <recipe>/recipe.yaml",
            code=Exit.NOT_FOUND,
        )
    return Library((own, shipped()))


def shipped() -> Path:
    """The `images` folder: beside the packages in a source tree, inside the package when installed."""
    package = Path(__file__).resolve().parent.parent
    for path in (package.parent / "images", package / "images"):
        if (path / "components").is_dir():
            return path
    raise UserError(
        "the image recipes are missing from this installation", hint="reinstall dlcluster", code=Exit.INTERNAL
    )
