"""What it costs to build an image and to keep it, by the catalog's prices."""

from __future__ import annotations

from dataclasses import dataclass

from dlcluster.catalog import price, regional_prices
from dlcluster.image.resolved import Image


@dataclass(frozen=True)
class Cost:
    """USD; None when a price is not known. build: once for each build. month: for each image that is kept, at most."""

    build: float | None
    month: float | None


def cost(image: Image, region: str) -> Cost:
    """Instance hours of a build, and a month of its snapshots.

    Image Builder itself is free. The time is the recipe's `build_minutes`, once for building and once more for testing
    on a fresh machine; a snapshot is charged by what is in it, so the root volume is the most that it can be.
    """
    recipe = image.recipe
    hour = price(recipe.build_type, region)
    places = [region, *(other for other in recipe.regions if other != region)]
    months = [regional_prices(place).snapshot_gib_month for place in places]
    known = [one for one in months if one is not None]
    return Cost(
        None if hour is None else 2 * recipe.build_minutes / 60 * hour,
        recipe.root_gib * sum(known) if len(known) == len(places) else None,
    )
