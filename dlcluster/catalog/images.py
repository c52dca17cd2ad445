"""Machine images by name: which SSM public parameter holds the AMI id, and which Python on it has torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from dlcluster.catalog.table import rows


@dataclass(frozen=True)
class Image:
    """A machine image. `disk_gib` is the smallest root disk; `driver` is 'nvidia-open' or 'none'."""

    name: str
    architecture: str
    ssm_parameter: str
    python: str
    disk_gib: int
    driver: str


@cache
def images() -> dict[str, Image]:
    """Every named image, by name."""
    return {row["name"]: _parse(row) for row in rows("images")}


def image(name: str) -> Image | None:
    """The image of that name, or None."""
    return images().get(name)


def _parse(row: dict[str, str]) -> Image:
    return Image(
        name=row["name"],
        architecture=row["architecture"],
        ssm_parameter=row["ssm_parameter"],
        python=row["python"],
        disk_gib=int(row["disk_gib"]),
        driver=row["driver"],
    )
