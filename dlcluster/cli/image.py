"""`dlcluster image list`, `show` and `spec` on the terminal: what needs no cloud."""

from __future__ import annotations

import gzip
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.lines import say
from dlcluster.errors import UserError
from dlcluster.image.library import library
from dlcluster.image.load import load_image
from dlcluster.image.resolved import Image
from dlcluster.image.spec import Spec
from dlcluster.image.spec import render as render_spec


def run_list(images: Path | None, json_: bool) -> None:
    """Every recipe in a row; a recipe that is wrong says so in its row."""
    known = library(images)
    rows = [_row(known, name) for name in known.recipes()]
    if json_:
        print_json(rows)
        return
    render.table(
        ["RECIPE", "BASE", "COMPONENTS", "ROOT", "WHAT"],
        [[row["name"], row["base"], row["components"], row["root"], row["summary"]] for row in rows],
    )


def _row(known: Any, name: str) -> dict[str, Any]:
    try:
        image = load_image(known, name)
    except UserError as error:
        return {
            "name": name,
            "base": "",
            "components": "",
            "root": "",
            "summary": f"wrong: {error.where}: {error.what}",
        }
    return {
        "name": name,
        "base": image.base,
        "components": len(image.installs),
        "root": f"{image.recipe.root_gib} GiB",
        "summary": image.recipe.summary,
        "hash": image.hash,
    }


def run_show(name: str, images: Path | None, platform: str | None, json_: bool) -> None:
    """The image: its base, its components with their parameters, its hash."""
    image = load_image(library(images), name, platform)
    if json_:
        print_json(described(image))
        return
    recipe = image.recipe
    print(f"{image.name}: {recipe.summary}")
    print(f"base {image.base} ({recipe.architecture}), root {recipe.root_gib} GiB, hash {image.hash}")
    render.table(
        ["COMPONENT", "VERSION", "GIB", "PARAMETERS", "WHAT"],
        [[step["name"], step["version"], step["size_gib"], _pairs(step), step["summary"]] for step in _steps(image)],
        fold=("PARAMETERS", "WHAT"),
    )
    for test in recipe.tests:
        print(f"test {test}")
    for missing in recipe.missing:
        print(f"not in it: {missing.title}: {missing.reason}")


def described(image: Image) -> dict[str, Any]:
    """The image as plain values."""
    return {**image.recipe.model_dump(), "base": image.base, "hash": image.hash, "components": _steps(image)}


def _steps(image: Image) -> list[dict[str, Any]]:
    return [
        {
            "name": step.name,
            "version": step.component.version,
            "summary": step.component.summary,
            "size_gib": step.component.size_gib,
            "parameters": {name.removeprefix("PARAM_").lower(): text for name, text in step.parameters.items()},
        }
        for step in image.steps
        if step.component
    ]


def _pairs(step: dict[str, Any]) -> str:
    return " ".join(f"{name}={text}" for name, text in step["parameters"].items())


def run_spec(
    name: str, target: str, output: Path | None, images: Path | None, platform: str | None, json_: bool
) -> None:
    """Write a spec to a folder, or its main file to stdout."""
    image = load_image(library(images), name, platform)
    spec = render_spec(image, target)
    if output is None:
        _to_stdout(spec, json_)
        return
    written = _write(spec, output)
    notes = [_too_large(output / "user-data.yaml")] if target == "cloud-init" else []
    if json_:
        print_json({"recipe": name, "hash": image.hash, "target": target, "files": [str(path) for path in written]})
        return
    use = spec.use.format(folder=output, context=output, region="us-east-1")
    say(f"wrote {render.quantity(len(written), 'file')} to {output}. Next: {use}")
    for note in filter(None, notes):
        say(note)


def _to_stdout(spec: Spec, json_: bool) -> None:
    if json_:
        print_json({"files": spec.files})
        return
    print(spec.files[spec.main], end="")
    beside = len(spec.files) - 1 + len(spec.context)
    if beside:
        belong = "file belongs" if beside == 1 else "files belong"
        say(f"{beside} {belong} beside it: --output DIR writes them all")


def _write(spec: Spec, output: Path) -> list[Path]:
    contents = {**{path: text.encode() for path, text in spec.files.items()}, **spec.context}
    paths = []
    try:
        for name, content in contents.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
    except OSError as error:
        where = str(error.filename or output)
        raise UserError(f"cannot write: {error.strerror}", where=where, hint="--output names another folder") from None
    return paths


def _too_large(path: Path) -> str:
    """EC2 takes 16 KB of user data: write it compressed beside the plain one, and say when that is too much too."""
    from dlcluster.image.cloudinit import LIMIT

    text = path.read_bytes()
    if len(text) <= LIMIT:
        return ""
    packed = path.with_name("user-data.gz")
    packed.write_bytes(gzip.compress(text, mtime=0))
    size = packed.stat().st_size
    if size <= LIMIT:
        return f"{len(text)} bytes are more than EC2 takes ({LIMIT}); {packed} has {size}, give it that"
    return (
        f"{size} bytes compressed are more than EC2 takes ({LIMIT}): store {packed} where the machine can read it, and "
        f"give it `#include` and the address as user data"
    )


def run_rootfs(
    name: str,
    images: Path | None,
    platform: str | None,
    output: Path | None,
    mirror: str | None,
    binds: list[str],
    env: list[str],
    plan: bool,
    json_: bool,
) -> None:
    """Build a root file system here; its folder on stdout."""
    from dlcluster.image import rootfs

    image = load_image(library(images), name, platform)
    root = (output or Path(f"{name}-rootfs")).absolute()
    place = rootfs.Place(root, mirror, tuple(binds), tuple(env))
    rootfs.check(image, place)
    ran: list[rootfs.Ran] = []
    if not plan:
        with render.reporting(json_) as reporter:
            ran = rootfs.build(image, place, reporter.step)
    elif not json_:
        print(f"would make {root}: {image.platform.title}, then {', '.join(step.name for step in image.installs)}")
    if json_:
        print_json({"recipe": name, "hash": image.hash, "root": str(root), "ran": [asdict(one) for one in ran]})
    elif ran:
        total = sum(one.seconds for one in ran)
        render.err.print(f"[green]built and tested[/] in {total:.0f} s; what it printed is in {place.log}")
        print(root)
