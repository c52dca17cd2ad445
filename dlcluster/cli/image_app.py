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
    """Write the build spec of an image. For EC2 Image Builder, Packer, Docker or cloud-init."""
    from dlcluster.cli.image import run_spec

    run_spec(name, to.value, output, images, platform, json_)


@app.command()
@command
def build(
    name: Recipe,
    to: Annotated[
        BuildTarget, typer.Option("--to", help="On AWS by EC2 Image Builder, or a root file system here (Linux, root).")
    ] = BuildTarget.imagebuilder,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be made and what it costs; do nothing.")
    ] = False,
    yes: Yes = False,
    file: File = None,
    region: Region = None,
    images: Images = None,
    platform: Platform = None,
    subnet: Annotated[str, typer.Option("--subnet", help="Subnet to build in (default: the default VPC).")] = "",
    group: Annotated[str, typer.Option("--security-group", help="Security group of the build machine.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="rootfs: the folder to make.")] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", help="rootfs: package mirror.")] = None,
    bind: Annotated[list[str] | None, typer.Option("--bind", help="rootfs: HOST:TARGET, while building.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="rootfs: KEY=VALUE for all scripts.")] = None,
    json_: Json = False,
) -> None:
    """Build an image from a recipe, tests included. Its AMI ids, or its folder, are printed."""
    if to is BuildTarget.rootfs:
        from dlcluster.cli.image import run_rootfs

        run_rootfs(name, images, platform, output, mirror, bind or [], env or [], plan, json_)
        return
    from dlcluster.cli.image_cloud import run_build

    run_build(name, images, platform, file, region, subnet, group, plan, yes, json_)


@app.command()
@command
def status(name: Recipe, file: File = None, region: Region = None, images: Images = None, json_: Json = False) -> None:
    """Show the images built from a recipe, and the builds that run."""
    from dlcluster.cli.image_cloud import run_status

    run_status(name, images, file, region, json_)


@app.command()
@command
def delete(
    name: Recipe, yes: Yes = False, file: File = None, region: Region = None, images: Images = None, json_: Json = False
) -> int:
    """Remove all that was made from a recipe. Pipeline, images and snapshots; then it looks for what is left."""
    from dlcluster.cli.image_cloud import run_delete

    return run_delete(name, images, file, region, yes, json_)
