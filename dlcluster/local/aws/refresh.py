"""Instance refresh: the members of a group are replaced, so that a share of them always serves."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dlcluster.local.aws.groups import Group, Member, at, now
from dlcluster.local.aws.query import AwsError

ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress")
_PREFERENCES = {"MinHealthyPercentage", "InstanceWarmup", "SkipMatching", "ScaleInProtectedInstances"}
_CAUSE = "{at} an instance was taken out of service in response to an instance refresh."


@dataclass
class Refresh:
    """One refresh. desired: the launch settings that it brings; todo: ids of members that are still to go."""

    group: str
    preferences: dict[str, Any]
    desired: dict[str, Any]
    todo: list[str]
    total: int
    status: str = "Pending"
    reason: str = ""
    started: datetime = field(default_factory=now)
    ended: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, status: str) -> None:
        self.status, self.ended, self.reason = status, now(), ""

    def described(self) -> dict[str, Any]:
        done = self.total - len(self.todo)
        return {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group,
            "Status": self.status,
            "StatusReason": self.reason or None,
            "StartTime": self.started,
            "EndTime": self.ended,
            "PercentageComplete": 100 * done // self.total if self.total else 100,
            "InstancesToUpdate": len(self.todo),
            "Preferences": self.preferences,
            "DesiredConfiguration": self.desired or None,
            "Strategy": "Rolling",
        }


def active(group: Group) -> Refresh | None:
    """The refresh that is under way."""
    newest: Refresh | None = group.refreshes[0] if group.refreshes else None
    return newest if newest and newest.status in ACTIVE else None


def preferences(given: dict[str, Any], group: Group) -> dict[str, Any]:
    """Preferences with their defaults. Raises AwsError(ValidationError)."""
    unknown = sorted(set(given) - _PREFERENCES)
    if unknown:
        raise AwsError("ValidationError", f"Not emulated: {', '.join(unknown)} of an instance refresh")
    warmup = group.settings["DefaultInstanceWarmup"]
    made = {
        "MinHealthyPercentage": 90,
        "InstanceWarmup": group.settings["HealthCheckGracePeriod"] if warmup is None else warmup,
        "SkipMatching": False,
        "ScaleInProtectedInstances": "Wait",
        **given,
    }
    if not 0 <= made["MinHealthyPercentage"] <= 100:
        raise AwsError("ValidationError", "MinHealthyPercentage must be between 0 and 100.")
    if made["ScaleInProtectedInstances"] not in ("Refresh", "Ignore", "Wait"):
        raise AwsError("ValidationError", f"Invalid ScaleInProtectedInstances: {made['ScaleInProtectedInstances']}")
    return made


def start(group: Group, refresh: Refresh) -> None:
    """Let it begin. Raises AwsError(InstanceRefreshInProgress)."""
    if active(group):
        message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
        raise AwsError("InstanceRefreshInProgress", message)
    group.refreshes.insert(0, refresh)


def roll_back(group: Group, refresh: Refresh) -> None:
    """Go back to the settings that the group has; what was launched meanwhile is replaced."""
    old = set(refresh.todo)
    refresh.todo = [member.id for member in group.live if member.id not in old]
    refresh.status, refresh.desired, refresh.total = "RollbackInProgress", {}, len(refresh.todo)


def step(group: Group, refresh: Refresh) -> None:
    """Take the next members out; the group replaces them. Call with the lock of the groups."""
    if refresh.status == "Cancelling":
        refresh.finish("Cancelled")
        return
    if refresh.status == "Pending":
        refresh.status = "InProgress"
    live = {member.id: member for member in group.live}
    refresh.todo = [identity for identity in refresh.todo if identity in live]
    wanted = refresh.preferences["ScaleInProtectedInstances"]
    protected = [identity for identity in refresh.todo if live[identity].protected]
    if wanted == "Ignore":
        refresh.todo = [identity for identity in refresh.todo if identity not in protected]
    free = [identity for identity in refresh.todo if wanted == "Refresh" or identity not in protected]
    healthy = [member for member in live.values() if _healthy(member, refresh.preferences["InstanceWarmup"])]
    refresh.reason = "Waiting for instances to be replaced before continuing." if refresh.todo else ""
    if refresh.todo and not free:
        refresh.reason = "Waiting for the protection of instances to end."
    if not refresh.todo and len(healthy) >= group.target:
        _complete(group, refresh)
        return
    needed = math.ceil(group.target * refresh.preferences["MinHealthyPercentage"] / 100)
    room = len(healthy) - needed
    if room <= 0 and len(healthy) >= group.target:
        room = 1  # one at a time, when none may be missing
    for identity in free[: max(0, room)]:
        live[identity].doom = group.begin(f"Terminating EC2 instance: {identity}", _CAUSE.format(at=at()))


def _healthy(member: Member, warmup: int) -> bool:
    return (
        member.state == "InService" and member.since is not None and now() - member.since >= timedelta(seconds=warmup)
    )


def _complete(group: Group, refresh: Refresh) -> None:
    if refresh.status == "RollbackInProgress":
        refresh.finish("RollbackSuccessful")
        return
    group.use(refresh.desired)
    refresh.finish("Successful")
