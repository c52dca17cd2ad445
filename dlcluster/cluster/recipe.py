"""`image: recipe:NAME` of a cluster file: the image that was built from that recipe as it is now."""

from __future__ import annotations

from pathlib import Path

from dlcluster.catalog import instance_type
from dlcluster.cloud import images
from dlcluster.cloud.session import Session
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.image.library import library
from dlcluster.image.load import load_image
from dlcluster.image.resolved import Image


def recipe_of(config: ClusterConfig) -> Image | None:
    """The recipe that the cluster file names, checked against the rest of it; None when it names none."""
    if config.recipe is None:
        return None
    image = load_image(library(Path(config.images) if config.images else None), config.recipe)
    where = f"image: recipe:{image.name}"
    if image.platform.login != "ubuntu":
        raise UserError(
            f"clusters log in as `ubuntu`, and {image.platform.title} has `{image.platform.login}`",
            where=where,
            hint="take a recipe with an Ubuntu base",
        )
    for key, group in (("head", config.head), ("workers", config.workers)):
        kind = instance_type(group.type)
        if kind and kind.architecture != image.recipe.architecture:
            raise UserError(
                f"{key}.type: {kind.name} is {kind.architecture}, the image {image.recipe.architecture}", where=where
            )
        if group.disk_gib < image.recipe.root_gib:
            raise UserError(
                f"{key}.disk_gib: {group.disk_gib} GiB is less than the {image.recipe.root_gib} GiB of the image",
                where=where,
            )
    return image


def newest(session: Session, image: Image) -> str:
    """The id of the newest usable image of a recipe as it is now.

    UserError NOT_FOUND, with the command to type, when there is none, or when the recipe has changed since.
    """
    build = f"dlcluster image build {image.name}"
    made = [ami for ami in images.amis(session, image.name) if ami.state == "available"]
    if not made:
        raise UserError(
            f"no image has been built from the recipe {image.name} in {session.region}",
            where=f"image: recipe:{image.name}",
            hint=f"build it: {build}",
            code=Exit.NOT_FOUND,
        )
    current = [ami for ami in made if ami.hash == image.hash]
    if not current:
        raise UserError(
            f"the recipe {image.name} has changed since its newest image {made[0].id} was built "
            f"({made[0].created}): its hash was {made[0].hash}, and is {image.hash} now",
            where=f"image: recipe:{image.name}",
            hint=f"build it again: {build}; or use the old one: image: {made[0].id}",
            code=Exit.NOT_FOUND,
        )
    return current[0].id
