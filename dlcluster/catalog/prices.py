"""What things cost, in USD. None means unknown, which is not the same as free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from dlcluster.catalog.table import number, rows


@dataclass(frozen=True)
class RegionalPrices:
    """USD: gp3 storage and snapshots per GiB and month, a NAT gateway and a public IPv4 address per hour."""

    gp3_gib_month: float | None
    nat_gateway_hour: float | None
    public_ipv4_hour: float | None
    snapshot_gib_month: float | None


@cache
def _instances() -> dict[tuple[str, str], tuple[float | None, float | None]]:
    return {
        (row["instance_type"], row["region"]): (
            number(row["on_demand_usd_hour"]),
            number(row["spot_usd_hour"]),
        )
        for row in rows("prices")
    }


def price(name: str, region: str, *, spot: bool = False) -> float | None:
    """USD per hour of one Linux instance of that type in that region, or None when it is not known."""
    on_demand, spot_price = _instances().get((name, region), (None, None))
    return spot_price if spot else on_demand


def price_regions(name: str) -> list[str]:
    """The regions in which the catalog knows an on-demand price of that type, cheapest first."""
    known = [(cost, region) for (kind, region), (cost, _) in _instances().items() if kind == name and cost is not None]
    return [region for _, region in sorted(known)]


def regional_prices(region: str) -> RegionalPrices:
    """Storage and network prices of a region; all None for a region that is not listed."""
    for row in rows("regional_prices"):
        if row["region"] == region:
            return RegionalPrices(**{key: number(cell) for key, cell in row.items() if key != "region"})
    return RegionalPrices(None, None, None, None)
