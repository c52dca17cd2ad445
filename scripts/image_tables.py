"""Write images/README.md, with the tables of recipes, frameworks and components, from the recipes and components.

.venv/bin/python scripts/image_tables.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dlcluster.image.library import Library
from dlcluster.image.load import load_component, load_image
from dlcluster.image.model import Component

IMAGES = Path(__file__).resolve().parent.parent / "images"
README = IMAGES / "README.md"

HEAD = """\
# Recipes and components of machine images

<!-- Written by scripts/image_tables.py from the recipes and components. Change those, then run it. -->

How it all works, and what was run for real: [docs/images.md](../docs/images.md).
"""
TRAINED = """\
Each in an environment of its own. Its test trains a small network on real handwritten digits, 1437 to train on and 360
to test, and fails below an accuracy of 0.95.
"""
PINS = """\
## Versions and digests
- Python packages: each environment has a lock file with every package's version and sha256; pip installs nothing else
  (`--require-hashes --no-deps`). `scripts/lock_environments.py` writes the locks from the `.in` files beside them.
- Packages of the distributions and of NVIDIA: from repositories whose keys are checked by fingerprint. CUDA, NCCL, DCGM
  and the container toolkit have a version in the script, the driver a branch.
- The EFA installer and the CloudWatch agent: signed by keys that AWS's documentation names by fingerprint.
- Micromamba: by sha256. What it fetches from conda-forge (interpreters only) it checks against the channel's index.
"""


def readme(library: Library) -> str:
    components = [load_component(folder) for folder in library.components().values()]
    images = [load_image(library, name) for name in library.recipes()]
    recipes = (
        [
            f"`{image.name}`",
            image.recipe.summary,
            ", ".join(dict.fromkeys([image.recipe.base, *image.recipe.platforms])),
            ", ".join(step.name for step in image.installs),
            str(image.recipe.root_gib),
        ]
        for image in images
    )
    missing = dict.fromkeys((gap.title, gap.reason) for image in images for gap in image.recipe.missing)
    parts = [
        HEAD,
        "## Recipes",
        _table(["recipe", "what for", "platforms", "components, in order", "root GiB"], recipes),
        "## Frameworks",
        TRAINED,
        _table(["framework", "versions", "Python", "state", "environment", "note"], map(_framework, _with(components))),
        "## Not to be had",
        _table(["what", "why"], map(list, missing)),
        "## Components",
        _table(["component", "version", "what", "platforms"], map(_component, components)),
        PINS,
    ]
    return "\n".join(parts)


def _with(components: list[Component]) -> list[Component]:
    """Those with a framework: living ones first, each group by title."""
    found = [component for component in components if component.framework]
    return sorted(found, key=lambda one: (one.framework.status, one.framework.title) if one.framework else ())


def _framework(component: Component) -> list[str]:
    framework = component.framework
    assert framework is not None
    versions = ", ".join(f"{package} {version}" for package, version in framework.versions.items())
    return [framework.title, versions, framework.python, framework.status, f"`{framework.environment}`", framework.note]


def _component(component: Component) -> list[str]:
    return [f"`{component.name}`", component.version, component.summary, ", ".join(component.platforms)]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(readme(Library((IMAGES,))), encoding="utf-8")
