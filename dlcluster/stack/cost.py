"""What a cluster costs while it is up, by the catalog's prices."""

from __future__ import annotations

from dataclasses import dataclass

from dlcluster.catalog import price, regional_prices
from dlcluster.config import ClusterConfig

_HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class CostLine:
    """One line of the estimate. USD per hour; None when the catalog has no price for the region."""

    item: str
    count: int
    unit_usd_hour: float | None

    @property
    def usd_hour(self) -> float | None:
        return None if self.unit_usd_hour is None else self.count * self.unit_usd_hour


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
        CostLine(f"head {head.type}", 1, price(head.type, config.region)),
        CostLine(f"worker {kind}", workers.count, price(workers.type, config.region, spot=workers.spot)),
        CostLine("GiB of gp3 disk", disks, gib_hour),
        CostLine("NAT gateway", 1, region.nat_gateway_hour),
        CostLine("public IPv4 address", 2, region.public_ipv4_hour),
    ]


def total_cost(lines: list[CostLine]) -> float | None:
    """The sum in USD per hour; None when a price in it is unknown."""
    amounts = [line.usd_hour for line in lines]
    return None if None in amounts else round(sum(amount or 0 for amount in amounts), 4)
