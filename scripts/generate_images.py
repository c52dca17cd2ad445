"""Write what is generated from the recipes and committed: build specs, and the JSON Schemas of recipes and components.

.venv/bin/python scripts/generate_images.py
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dlcluster.image.library import Library
from dlcluster.image.load import load_image
from dlcluster.image.model import Component, Recipe, json_schema
from dlcluster.image.spec import TARGETS, render

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "images"


def generated() -> dict[str, str]:
    """The text of every generated file, by its path in the repository."""
    files = {
        "docs/image-recipe.schema.json": json.dumps(json_schema(Recipe), indent=2) + "\n",
        "docs/image-component.schema.json": json.dumps(json_schema(Component), indent=2) + "\n",
    }
    library = Library((IMAGES,))
    for name in library.recipes():
        image = load_image(library, name)
        for target in TARGETS:
            for path, text in render(image, target).files.items():
                files[f"images/{name}/build/{target}/{path}"] = text
    return files


if __name__ == "__main__":
    for old in IMAGES.glob("*/build"):
        shutil.rmtree(old)
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")
