"""The `image` commands and their options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dlcluster.cli.guard import command

app = typer.Typer(help="Machine images from recipes.", no_args_is_help=True, rich_markup_mode=None)


class SpecTarget(StrEnum):
    """What `spec` writes."""

    imagebuilder = "imagebuilder"
    packer = "packer"
    docker = "docker"
    cloudinit = "cloud-init"


class BuildTarget(StrEnum):
    """Where `build` builds."""

    imagebuilder = "imagebuilder"
    rootfs = "rootfs"


Recipe = Annotated[str, typer.Argument(metavar="NAME", help="The recipe.")]
Images = Annotated[Path | None, typer.Option("--images", help="Folder with recipes of your own.")]
Platform = Annotated[str | None, typer.Option("--platform", help="Another operating system of the recipe.")]
File = Annotated[Path | None, typer.Option("-f", "--file", help="Cluster file with cloud and region.")]
Region = Annotated[str | None, typer.Option("--region", help="AWS region (default: the cluster file's).")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


@app.command("list")
@command
def list_(images: Images = None, json_: Json = False) -> None:
    """List the recipes."""
    from dlcluster.cli.image import run_list

    run_list(images, json_)


@app.command()
@command
def show(name: Recipe, images: Images = None, platform: Platform = None, json_: Json = False) -> None:
    """Show what is in an image, in the order of installation."""
    from dlcluster.cli.image import run_show

    run_show(name, images, platform, json_)


@app.command()
@command
def spec(
    name: Recipe,
    to: Annotated[SpecTarget, typer.Option("--to", help="Which tool the spec is for.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write to (default: stdout).")] = None,
    images: Images = None,
    platform: Platform = None,
    json_: Json = False,
) -> None:
    """Write the build spec of an image for EC2 Image Builder, Packer, Docker or cloud-init."""
    from dlcluster.cli.image import run_spec

    run_spec(name, to.value, output, images, platform, json_)
