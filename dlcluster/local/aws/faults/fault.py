"""One fault: its kind, the calls that it selects, and which of those it strikes."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.faults.errors import ANY, Place, error_of
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError

KINDS = {
    "throttle": "too many requests, with the service's own code",
    "internal": "an error 500 of the service",
    "unavailable": "an error 503 of the service",
    "lost": "the call takes effect, and its connection ends without an answer",
    "slow": "the answer comes `seconds` late",
    "capacity": "InsufficientInstanceCapacity for launches, by instance type and zone",
    "quota": "a limit of the account: vCPUs for launches; VPCs, addresses, buckets ... by action",
    "hidden": "what a call creates is unknown to other calls for `seconds`",
    "expired": "the caller's credentials have expired",
    "error": "any other error: `code`, with `message` and `status`",
}
_TIMED = {"slow", "hidden"}
_LAUNCH = ("ec2", "RunInstances")


@dataclass
class Fault:
    """Which calls fail, and how.

    kind: one of KINDS. code, message, status: of the error, where they differ from what AWS answers for the kind.
    service, action, origin, region: select calls; `*` and `?` are wildcards. An origin is `user`, `node`,
    `cloudformation`, `autoscaling` or an instance's id. instance_type, zone: select launches.
    nth, times: of the selected calls, number `nth` and those after it, `times` of them (None: all).
    probability: of those, how many, drawn by `seed`. until: seconds since the epoch after which it is over.
    seconds: how late (slow), how long (hidden).
    Raises ValueError for what cannot be.
    """

    code: str = ""
    message: str = ""
    status: int = 0
    service: str = ANY
    action: str = ANY
    origin: str = ANY
    nth: int = 1
    times: int | None = 1
    seen: int = 0
    kind: str = "error"
    region: str = ANY
    instance_type: str = ANY
    zone: str = ANY
    probability: float = 1.0
    seed: int = 0
    until: float | None = None
    seconds: float = 0.0
    hits: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of fault: {self.kind} (there are {', '.join(KINDS)})")
        if self.kind == "error" and not self.code:
            raise ValueError("a fault of the kind `error` needs a code")
        if self.kind in _TIMED and self.seconds <= 0:
            raise ValueError(f"a fault of the kind `{self.kind}` needs seconds above 0")
        if self.kind in ("capacity", "quota") and self.action == ANY:
            self.service, self.action = _LAUNCH
        if self.by_place and (self.kind in _TIMED or self.kind == "lost"):
            raise ValueError(f"a fault of the kind `{self.kind}` cannot be selected by instance type or zone")
        if self.nth < 1 or (self.times is not None and self.times < 1) or not 0 < self.probability <= 1:
            raise ValueError("nth and times count from 1, a probability is above 0 and at most 1")
        self._random = random.Random(self.seed)

    @property
    def by_place(self) -> bool:
        """Whether an instance type or a zone is asked for."""
        return self.instance_type != ANY or self.zone != ANY

    @property
    def at_launch(self) -> bool:
        """Whether it waits until a launch knows its instance type and zone."""
        return self.by_place or (self.kind in ("capacity", "quota") and self.action == _LAUNCH[1])

    @property
    def over(self) -> bool:
        """Whether it will strike no more."""
        spent = self.times is not None and self.seen >= self.nth + self.times - 1
        return spent or (self.until is not None and time.time() >= self.until)

    def selects(self, call: Call, launch: Place | None = None) -> bool:
        """Whether it is about such a call."""
        pairs = [(self.service, call.service), (self.action, call.action), (self.region, call.region)]
        if launch is not None:
            pairs += [(self.instance_type, launch.instance_type), (self.zone, launch.zone)]
        origins = (call.origin, Compute.caller(call.access_key) or "")
        return all(fnmatchcase(got, wanted) for wanted, got in pairs) and any(
            fnmatchcase(origin, self.origin) for origin in origins
        )

    def strikes(self) -> bool:
        """Count one selected call and tell whether it fails."""
        if self.until is not None and time.time() >= self.until:
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.seen >= self.nth + self.times):
            return False
        struck = self.probability >= 1 or self._random.random() < self.probability
        self.hits += struck
        return struck

    def error(self, call: Call, launch: Place | None = None) -> AwsError | None:
        """What the caller is told; None for kinds that tell nothing."""
        if launch is not None and self.zone == ANY:
            launch = replace(launch, others=())  # nor is there capacity elsewhere
        usual = error_of(self.kind, call.service, call.action, launch)
        if usual is None and not self.code:
            return None
        code, message, status = usual or (self.code, "Injected fault.", 400)
        return AwsError(self.code or code, self.message or message, self.status or status)

    def row(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {"over": self.over}
