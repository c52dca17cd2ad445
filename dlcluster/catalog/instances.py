"""EC2 instance types: what each has, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from dlcluster.catalog.table import rows

_NAME = re.compile(r"[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9]+xl)?)")


@dataclass(frozen=True)
class InstanceType:
    """One EC2 instance type. Memory in GiB, network in Gbit/s; `gpus` counts accelerators of any maker."""

    name: str
    vcpus: int
    memory_gib: float
    gpu_name: str
    gpus: int
    gpu_memory_gib: float
    network_gbps: float
    network_cards: int
    efa_interfaces: int
    usage_classes: frozenset[str]
    architecture: str

    @property
    def efa(self) -> bool:
        return self.efa_interfaces > 0

    @property
    def spot(self) -> bool:
        return "spot" in self.usage_classes

    @property
    def capacity_blocks(self) -> bool:
        return "capacity-block" in self.usage_classes


@cache
def instance_types() -> dict[str, InstanceType]:
    """Every instance type of the catalog, by name."""
    return {row["instance_type"]: _parse(row) for row in rows("instance_types")}


def instance_type(name: str) -> InstanceType | None:
    """The instance type of that name, or None when the catalog does not know it."""
    return instance_types().get(name)


def looks_like_a_type(name: str) -> bool:
    """Whether EC2 could have a type of that name: the catalog holds the usual ones, not all of them."""
    return _NAME.fullmatch(name) is not None


def _parse(row: dict[str, str]) -> InstanceType:
    return InstanceType(
        name=row["instance_type"],
        vcpus=int(row["vcpus"]),
        memory_gib=float(row["memory_gib"]),
        gpu_name=row["gpu_name"],
        gpus=int(row["gpu_count"]),
        gpu_memory_gib=float(row["gpu_memory_gib"]),
        network_gbps=float(row["network_gbps"]),
        network_cards=int(row["network_cards"]),
        efa_interfaces=int(row["efa_interfaces"]),
        usage_classes=frozenset(row["usage_classes"].split(";")),
        architecture=row["architecture"],
    )
