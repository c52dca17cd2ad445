"""What a cluster costs while it is up, by the catalog's prices."""

from __future__ import annotations

from dataclasses import dataclass

from dlcluster.catalog import price, regional_prices
from dlcluster.config import ClusterConfig

_HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class CostLine:
    """One line of the estimate. USD per hour for all `count` together; None when no price is known."""

    item: str
    count: int
    usd_hour: float | None


def hourly_cost(config: ClusterConfig) -> list[CostLine]:
    """Instances, disks, NAT gateway and public addresses. Not in it: traffic, S3 storage, tax.

    On the embedded cloud this is what the same cluster would cost on AWS. Prices: `catalog.SNAPSHOT`.
    """
    region = regional_prices(config.region)
    workers, head = config.workers, config.head
    disks = head.disk_gib + workers.count * workers.disk_gib
    gib_hour = None if region.gp3_gib_month is None else region.gp3_gib_month / _HOURS_PER_MONTH
    kind = f"{workers.type} spot" if workers.spot else workers.type
    return [
        _line(f"head {head.type}", 1, price(head.type, config.region)),
        _line(f"worker {kind}", workers.count, price(workers.type, config.region, spot=workers.spot)),
        _line("GiB of gp3 disk", disks, gib_hour),
        _line("NAT gateway", 1, region.nat_gateway_hour),
        _line("public IPv4 address", 2, region.public_ipv4_hour),
    ]


def total_cost(lines: list[CostLine]) -> float | None:
    """USD per hour of all lines, or None when the price of one is not known."""
    known = [line.usd_hour for line in lines if line.usd_hour is not None]
    return sum(known) if len(known) == len(lines) else None


def _line(item: str, count: int, unit: float | None) -> CostLine:
    return CostLine(item, count, None if unit is None else count * unit)
