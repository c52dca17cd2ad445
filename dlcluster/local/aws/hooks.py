"""Lifecycle hooks: a member waits before it serves, or before it ends, until somebody says how to go on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dlcluster.local.aws.groups import Group, Member, now
from dlcluster.local.aws.query import AwsError

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
MOST = timedelta(hours=48)  # or a hundred times the heartbeat, if that is less
_FIELDS = {
    "AutoScalingGroupName",
    "LifecycleHookName",
    "LifecycleTransition",
    "HeartbeatTimeout",
    "DefaultResult",
    "NotificationMetadata",
}


@dataclass
class Hook:
    """heartbeat: seconds without a sign of life after which `default` (CONTINUE or ABANDON) is assumed."""

    name: str
    transition: str
    heartbeat: int = 3600
    default: str = "ABANDON"
    metadata: str | None = None

    def described(self, group: str) -> dict[str, Any]:
        return {
            "LifecycleHookName": self.name,
            "AutoScalingGroupName": group,
            "LifecycleTransition": self.transition,
            "NotificationMetadata": self.metadata,
            "HeartbeatTimeout": self.heartbeat,
            "GlobalTimeout": int(min(MOST.total_seconds(), 100 * self.heartbeat)),
            "DefaultResult": self.default,
        }


@dataclass
class Wait:
    """A hook that waits for one member. `result` is empty until it is known."""

    hook: Hook
    began: datetime = field(default_factory=now)
    beat: datetime = field(default_factory=now)
    result: str = ""
    token: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def deadline(self) -> datetime:
        beat = timedelta(seconds=self.hook.heartbeat)
        return min(self.beat + beat, self.began + min(MOST, 100 * beat))


def parse(params: dict[str, Any], old: Hook | None = None) -> Hook:
    """The hook that PutLifecycleHook (or a group's creation) asks for. Raises AwsError(ValidationError)."""
    unknown = sorted(set(params) - _FIELDS)
    if unknown:
        raise AwsError("ValidationError", f"Not emulated: {', '.join(unknown)}")
    hook = Hook(
        params["LifecycleHookName"],
        params.get("LifecycleTransition") or (old.transition if old else ""),
        params.get("HeartbeatTimeout", old.heartbeat if old else 3600),
        params.get("DefaultResult", old.default if old else "ABANDON"),
        params.get("NotificationMetadata", old.metadata if old else None),
    )
    if hook.transition not in (LAUNCHING, TERMINATING):
        raise AwsError("ValidationError", f"Invalid lifecycle transition: {hook.transition or 'none'}")
    if hook.default not in ("CONTINUE", "ABANDON"):
        raise AwsError("ValidationError", f"Invalid lifecycle action result: {hook.default}")
    if not 30 <= hook.heartbeat <= 7200:
        raise AwsError("ValidationError", "Heartbeat timeout must be between 30 and 7200 seconds")
    return hook


def begin(group: Group, member: Member, transition: str) -> bool:
    """Let a member wait if a hook says so; whether it does."""
    member.waits = [Wait(hook) for hook in group.hooks.values() if hook.transition == transition]
    return bool(member.waits)


def outcome(member: Member) -> str:
    """CONTINUE or ABANDON once it is known for every hook, else "". The time is looked at, too."""
    for wait in member.waits:
        if not wait.result and now() > wait.deadline:
            wait.result = wait.hook.default
    results = [wait.result for wait in member.waits]
    if "ABANDON" in results:
        return "ABANDON"
    return "" if "" in results else "CONTINUE"


def abandoned(member: Member) -> str:
    """Why a launch was given up, as AWS words it."""
    wait = next(wait for wait in member.waits if wait.result == "ABANDON")
    why = "Heartbeat Timeout" if now() > wait.deadline else "Lifecycle Action Completed with ABANDON Result"
    return (
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
        f"{wait.token} was abandoned: {why}"
    )


def seconds_left(group: Group) -> list[float]:
    """Until each wait of the group runs out."""
    waits = [wait for member in group.members.values() for wait in member.waits if not wait.result]
    return [max(0.0, (wait.deadline - now()).total_seconds()) for wait in waits]


def find(group: Group, params: dict[str, Any]) -> Wait:
    """The wait that a call means, by token or by instance. Raises AwsError(ValidationError)."""
    name, token, instance = params["LifecycleHookName"], params.get("LifecycleActionToken"), params.get("InstanceId")
    for member in group.members.values():
        for wait in member.waits:
            if wait.hook.name == name and not wait.result and (token == wait.token or instance == member.id):
                return wait
    which = f"token {token}" if token else f"instance ID {instance}"
    raise AwsError("ValidationError", f"No active Lifecycle Action found with {which}")
