"""Mixed instances: which types a group may launch, in which order, and how many of them on demand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dlcluster.local.aws.query import AwsError

_BY_ORDER = {"prioritized", "capacity-optimized", "capacity-optimized-prioritized"}
_BY_PRICE = {"lowest-price", "price-capacity-optimized"}
_DEFAULTS = {
    "OnDemandAllocationStrategy": "prioritized",
    "OnDemandBaseCapacity": 0,
    "OnDemandPercentageAboveBaseCapacity": 100,
    "SpotAllocationStrategy": "lowest-price",
    "SpotInstancePools": None,
    "SpotMaxPrice": None,
}
_OVERRIDE = {"InstanceType", "LaunchTemplateSpecification"}


def parse(policy: dict[str, Any], template: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, Any]:
    """A MixedInstancesPolicy with its defaults, in the API's form. Raises AwsError(ValidationError).

    template(specification): what the API tells of a launch template.
    """
    _refuse(policy, {"LaunchTemplate", "InstancesDistribution"})
    launch = policy.get("LaunchTemplate") or {}
    _refuse(launch, {"LaunchTemplateSpecification", "Overrides"})
    if "LaunchTemplateSpecification" not in launch:
        raise AwsError("ValidationError", "Valid requests must contain a LaunchTemplateSpecification parameter.")
    overrides = []
    for item in launch.get("Overrides", []):
        _refuse(item, _OVERRIDE)
        made = dict(item)
        if "LaunchTemplateSpecification" in item:
            made["LaunchTemplateSpecification"] = template(item["LaunchTemplateSpecification"])
        overrides.append(made)
    distribution = policy.get("InstancesDistribution") or {}
    _refuse(distribution, set(_DEFAULTS))
    distribution = _DEFAULTS | distribution
    _check(distribution)
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template(launch["LaunchTemplateSpecification"]),
            "Overrides": overrides,
        },
        "InstancesDistribution": {key: value for key, value in distribution.items() if value is not None},
    }


def _check(distribution: dict[str, Any]) -> None:
    if not 0 <= distribution["OnDemandPercentageAboveBaseCapacity"] <= 100:
        raise AwsError("ValidationError", "OnDemandPercentageAboveBaseCapacity must be between 0 and 100.")
    if distribution["OnDemandAllocationStrategy"] not in ("prioritized", "lowest-price"):
        strategy = distribution["OnDemandAllocationStrategy"]
        raise AwsError("ValidationError", f"Invalid OnDemandAllocationStrategy: {strategy}")
    if distribution["SpotAllocationStrategy"] not in _BY_ORDER - {"prioritized"} | _BY_PRICE:
        raise AwsError("ValidationError", f"Invalid SpotAllocationStrategy: {distribution['SpotAllocationStrategy']}")


def _refuse(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise AwsError("ValidationError", f"Not emulated: {', '.join(unknown)} of MixedInstancesPolicy")


def on_demand(policy: dict[str, Any], total: int) -> int:
    """How many of so many instances are to be on demand: the base, and a share of the rest, rounded up."""
    spread = policy["InstancesDistribution"]
    base = min(total, spread["OnDemandBaseCapacity"])
    return base + math.ceil((total - base) * spread["OnDemandPercentageAboveBaseCapacity"] / 100)


def choices(
    policy: dict[str, Any], *, spot: bool, price: Callable[[str], float]
) -> list[tuple[str | None, dict[str, str]]]:
    """(instance type or None for the template's own, launch template) in the order in which they are tried."""
    launch, spread = policy["LaunchTemplate"], policy["InstancesDistribution"]
    common = launch["LaunchTemplateSpecification"]
    rows = [
        (item.get("InstanceType"), item.get("LaunchTemplateSpecification", common)) for item in launch["Overrides"]
    ] or [(None, common)]
    strategy = spread["SpotAllocationStrategy" if spot else "OnDemandAllocationStrategy"]
    if strategy in _BY_PRICE:
        rows.sort(key=lambda row: price(row[0]) if row[0] else 0.0)
    return rows


def market(policy: dict[str, Any]) -> dict[str, Any]:
    """InstanceMarketOptions of a spot launch."""
    highest = policy["InstancesDistribution"].get("SpotMaxPrice")
    options = {"SpotInstanceType": "one-time", **({"MaxPrice": highest} if highest else {})}
    return {"MarketType": "spot", "SpotOptions": options}
