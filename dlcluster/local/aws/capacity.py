"""How many instances of a type a zone has room for: a setting of the account, without limits at first."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.faults.errors import ANY, Place, error_of
from dlcluster.local.aws.wire import AwsError


@dataclass(frozen=True)
class Rule:
    """So many instances of each type that fits, in each zone that fits (wildcards allowed in both)."""

    type: str
    instances: int
    zone: str = ANY

    def __post_init__(self) -> None:
        if not self.type or not self.zone:
            raise ValueError("capacity is set for a `type` and a `zone`, such as `p5.*` and `us-east-1a` or `*`")
        if self.instances < 0:
            raise ValueError("`instances` counts from 0")

    def fits(self, instance_type: str, zone: str) -> bool:
        """Whether it is about this type in this zone."""
        return fnmatchcase(instance_type, self.type) and fnmatchcase(zone, self.zone)


class Capacity:
    """The rules in force: of those that fit, the one that was set last counts."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._rules: dict[tuple[str, str], Rule] = {}
        self._lock = threading.Lock()

    def set(self, rule: Rule) -> None:
        """Add a rule; it replaces the one of the same type and zone."""
        with self._lock:
            self._rules.pop((rule.type, rule.zone), None)
            self._rules[rule.type, rule.zone] = rule

    def clear(self, type: str = "", zone: str = "") -> int:
        """Remove the rules of exactly this type and zone (nothing: all); how many there were."""
        with self._lock:
            gone = [key for key in self._rules if type in ("", key[0]) and zone in ("", key[1])]
            for key in gone:
                del self._rules[key]
            return len(gone)

    def rows(self) -> list[dict[str, Any]]:
        """The rules, with `used`: how many instances there are now, by zone and type."""
        with self._lock:
            rules = list(self._rules.values())
        used = self._compute.placed()
        return [
            {**asdict(rule), "used": {f"{zone} {kind}": n for (kind, zone), n in used.items() if rule.fits(kind, zone)}}
            for rule in rules
        ]

    def room(self, place: Place) -> int | None:
        """For how many more instances there is room; None: any number."""
        with self._lock:
            fits = [rule for rule in self._rules.values() if rule.fits(place.instance_type, place.zone)]
        if not fits:
            return None
        return max(0, fits[-1].instances - self._compute.placed()[place.instance_type, place.zone])

    def granted(self, place: Place, least: int, most: int) -> int:
        """How many of `most` instances can start now. Raises AwsError for fewer than `least`, as EC2 says it."""
        room = self.room(place)
        if room is None or room >= most:
            return most
        if room >= least:
            return room
        others = tuple(zone for zone in place.others if self._has(place, zone, least))
        words = error_of("capacity", "ec2", "RunInstances", Place(place.instance_type, place.zone, others, place.spot))
        assert words is not None
        raise AwsError(*words)

    def _has(self, place: Place, zone: str, least: int) -> bool:
        room = self.room(Place(place.instance_type, zone))
        return room is None or room >= least

    @property
    def limited(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)
