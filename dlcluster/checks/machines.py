"""Rules on instance types: do they exist, and can they do what is asked of them?"""

from __future__ import annotations

from dlcluster.catalog import (
    InstanceType,
    instance_type,
    instance_types,
    looks_like_a_type,
    nearest,
    price,
    price_regions,
)
from dlcluster.checks.finding import Said
from dlcluster.config import ClusterConfig

_BY_RESERVATION = ("p5e.", "p5en.", "p6-", "trn2.")
_BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.")


def types_of(config: ClusterConfig) -> dict[str, str]:
    """The two instance types by the key that sets them."""
    return {"head.type": config.head.type, "workers.type": config.workers.type}


def _worker(config: ClusterConfig) -> InstanceType | None:
    return instance_type(config.workers.type)


def not_a_type(config: ClusterConfig) -> Said:
    for key, name in types_of(config).items():
        if not looks_like_a_type(name):
            guess = nearest(name, instance_types())
            yield f"{key}: {name!r} is not an EC2 instance type", f"did you mean {guess}?" if guess else ""


def type_not_in_catalog(config: ClusterConfig) -> Said:
    for key, name in types_of(config).items():
        if looks_like_a_type(name) and not instance_type(name):
            guess = nearest(name, instance_types())
            hint = f"did you mean {guess}?" if guess else "check the name"
            yield f"{key}: {name} is not in the catalog, so its GPUs, EFA and price are unknown here", hint


def efa_unsupported(config: ClusterConfig) -> Said:
    kind = _worker(config)
    if config.workers.efa is True and not (kind and kind.efa):
        yield f"workers.efa: {config.workers.type} has no EFA", "set efa: auto, or take a type that has it"


def efa_off(config: ClusterConfig) -> Said:
    kind = _worker(config)
    if config.workers.efa is False and config.workers.count > 1 and kind and kind.efa:
        yield f"workers.efa: {kind.name} has EFA and it is switched off", "set efa: auto for a faster network"


def group_of_one(config: ClusterConfig) -> Said:
    if config.workers.placement_group is True and config.workers.count == 1:
        yield "workers.placement_group: one worker has nothing to be close to", "set placement_group: auto"


def group_unsupported(config: ClusterConfig) -> Said:
    name = config.workers.type
    if config.workers.placement_group is True and name.startswith(_BURSTABLE):
        yield f"workers.placement_group: {name} cannot be in a cluster placement group", "set placement_group: auto"


def no_spot(config: ClusterConfig) -> Said:
    kind = _worker(config)
    if config.workers.spot and kind and not kind.spot:
        yield f"workers.spot: {kind.name} is not sold as spot", "set spot: false"


def by_reservation_only(config: ClusterConfig) -> Said:
    if config.cloud == "aws" and config.workers.type.startswith(_BY_RESERVATION):
        yield (
            f"workers.type: {config.workers.type} is in practice had by capacity block or reservation only",
            "an on-demand or spot launch may find no capacity",
        )


def price_unknown(config: ClusterConfig) -> Said:
    if config.cloud == "local":
        return
    for key, name in types_of(config).items():
        spot = config.workers.spot and key == "workers.type"
        if price(name, config.region, spot=spot) is None:
            known = ", ".join(price_regions(name)[:3])
            hint = f"known in {known}" if known else "look it up before you start"
            yield f"{key}: no price is known for {name}{' spot' if spot else ''} in {config.region}", hint
