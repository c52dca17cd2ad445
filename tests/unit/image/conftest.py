"""A small library of recipes and components in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcluster.image.library import Library

RECIPE = (
    "name: gpu\nsummary: For tests\nbase: ubuntu-24.04\ncomponents:\n- driver\n- name: cuda\n- nccl\nroot_gib: 40\n"
)


class Folder:
    """Laid out as `images/`: a driver, CUDA that requires it, NCCL that comes after CUDA, and a recipe of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.component("driver", "size_gib: 2\nparameters: {branch: {type: integer, default: 580}}")
        self.component("cuda", "requires: [driver]\nsize_gib: 10\nparameters: {docs: {type: boolean, default: false}}")
        self.component(
            "nccl", "after: [cuda]\nsize_gib: 0.5\nparameters: {tag: {default: v2.27, choices: [v2.27, v2]}}"
        )
        self.recipe(RECIPE)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def component(self, name: str, text: str = "", *, scripts: tuple[str, ...] = ("install.sh", "test.sh")) -> None:
        self.write(f"components/{name}/component.yaml", f"name: {name}\nversion: 1.0.0\nsummary: The {name}\n{text}\n")
        for script in scripts:
            self.write(f"components/{name}/{script}", f"echo {name} {script}\n")

    def recipe(self, text: str, name: str = "gpu") -> None:
        self.write(f"{name}/recipe.yaml", text)

    @property
    def library(self) -> Library:
        return Library((self.root,))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "images")
