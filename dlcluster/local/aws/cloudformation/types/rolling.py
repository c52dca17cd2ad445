"""UpdatePolicy of Auto Scaling groups: AutoScalingRollingUpdate, batch by batch, with CloudFormation's own events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlcluster.local.aws.cloudformation.signals import duration
from dlcluster.local.aws.cloudformation.types.base import Failed, Step

TRIGGERS = frozenset(("LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier", "PlacementGroup"))
_KEYS = {
    "AutoScalingRollingUpdate": {
        "MaxBatchSize",
        "MinInstancesInService",
        "MinSuccessfulInstancesPercent",
        "PauseTime",
        "SuspendProcesses",
        "WaitOnResourceSignals",
    },
    "AutoScalingScheduledAction": {"IgnoreUnmodifiedGroupSizeProperties"},
}


def problem(kind: str, policy: dict[str, Any]) -> str:
    """Why the UpdatePolicy of a resource of a type cannot be followed here, or ""."""
    if kind != "AWS::AutoScaling::AutoScalingGroup":
        return f"UpdatePolicy of {kind} is not supported by this endpoint"
    replacing = policy.get("AutoScalingReplacingUpdate") or {}
    if str(replacing.get("WillReplace", False)).lower() == "true":
        return "UpdatePolicy AutoScalingReplacingUpdate is not supported by this endpoint"
    for name, fields in policy.items():
        unknown = set(fields) - _KEYS.get(name, {"WillReplace"} if name == "AutoScalingReplacingUpdate" else set())
        if name not in (*_KEYS, "AutoScalingReplacingUpdate"):
            return f"UpdatePolicy {name} is not supported by this endpoint"
        if unknown:
            return f"UpdatePolicy {name} does not support {', '.join(sorted(unknown))} on this endpoint"
    return ""


@dataclass(frozen=True)
class Policy:
    """AutoScalingRollingUpdate with its defaults. pause: seconds."""

    batch: int
    in_service: int
    percent: int
    pause: int
    pause_text: str
    suspend: list[str]
    signals: bool

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Policy:
        signals = str(fields.get("WaitOnResourceSignals", False)).lower() == "true"
        pause = str(fields.get("PauseTime", "PT5M" if signals else "PT0S"))
        return cls(
            int(fields.get("MaxBatchSize", 1)),
            int(fields.get("MinInstancesInService", 0)),
            int(fields.get("MinSuccessfulInstancesPercent", 100)),
            duration(pause),
            pause,
            list(fields.get("SuspendProcesses") or []),
            signals,
        )


class RollingUpdate:
    """Replaces the members of one group that were there before. describe() gives the group as the API does."""

    def __init__(self, x: Step, policy: Policy, describe: Callable[[], dict[str, Any]]) -> None:
        self._x = x
        self._policy = policy
        self._describe = describe
        self._good = self._bad = 0
        self._total = 0

    def run(self, obsolete: list[str]) -> None:
        """Replace the instances. Raises Failed when the new ones do not report success."""
        group = self._describe()
        sizes = group["MinSize"], group["DesiredCapacity"], group["MaxSize"]
        if self._policy.in_service >= sizes[2]:
            raise Failed("MinInstancesInService must be less than the autoscaling group's MaxSize")
        self._total = len(obsolete)
        self._announce(obsolete)
        if self._policy.suspend:
            self._call("suspend_processes", ScalingProcesses=self._policy.suspend)
        try:
            self._widen(sizes)
            while obsolete:
                obsolete = self._step(obsolete)
        finally:
            self._resize(sizes[0], sizes[1])
            if self._policy.suspend:
                self._call("resume_processes", ScalingProcesses=self._policy.suspend)

    def _call(self, operation: str, **params: Any) -> None:
        self._x.call("autoscaling", operation, AutoScalingGroupName=self._x.physical_id, **params)

    def _note(self, text: str) -> None:
        self._x.host.note(self._x.resource, text)

    def _announce(self, obsolete: list[str]) -> None:
        policy = self._policy
        text = (
            f"Rolling update initiated. Terminating {len(obsolete)} obsolete instance(s) in batches of {policy.batch}"
        )
        if policy.in_service:
            text += f", while keeping at least {policy.in_service} instance(s) in service"
        text += "."
        if policy.signals:
            text += (
                f" Waiting on resource signals with a timeout of {policy.pause_text} when new instances are added to "
                "the autoscaling group."
            )
        self._note(text)

    def _widen(self, sizes: tuple[int, int, int]) -> None:
        """Make room for new instances first, when the old ones may not go before."""
        wanted = min(sizes[2], self._policy.in_service + min(self._policy.batch, self._total))
        if wanted > sizes[1]:
            self._note(f"Temporarily setting autoscaling group MinSize and DesiredCapacity to {wanted}.")
            self._resize(wanted, wanted)
            before = self._heard()
            added = wanted - sizes[1]
            self._x.wait(lambda: self._serving() >= wanted, "new instances in service", seconds=3600)
            self._await_signals(before, added)

    def _resize(self, least: int, desired: int) -> None:
        group = self._describe()
        if group and (group["MinSize"], group["DesiredCapacity"]) != (least, desired):
            self._call("update_auto_scaling_group", MinSize=least, DesiredCapacity=desired)

    def _serving(self) -> int:
        return sum(item["LifecycleState"] == "InService" for item in self._describe()["Instances"])

    def _step(self, obsolete: list[str]) -> list[str]:
        """Replace one batch; the instances that are left."""
        room = max(1, self._serving() - self._policy.in_service)
        batch = obsolete[: min(self._policy.batch, room)]
        group = self._describe()
        target = group["DesiredCapacity"]
        before = self._heard()
        shown = ",".join(batch)
        self._note(f"Terminating instance(s) [{shown}]; replacing with {len(batch)} new instance(s).")
        for identity in batch:
            self._x.call(
                "autoscaling",
                "terminate_instance_in_auto_scaling_group",
                InstanceId=identity,
                ShouldDecrementDesiredCapacity=False,
            )
        self._x.wait(lambda: self._replaced(batch, target), "replaced instances in service", seconds=3600)
        self._await_signals(before, len(batch))
        left = obsolete[len(batch) :]
        progress = 100 * (self._total - len(left)) // self._total
        self._note(f"Successfully terminated instance(s) [{shown}] (Progress {progress}%).")
        return left

    def _replaced(self, batch: list[str], target: int) -> bool:
        members = self._describe()["Instances"]
        return self._serving() >= target and not {item["InstanceId"] for item in members} & set(batch)

    # -- signals ---------------------------------------------------------------------------------------

    def _heard(self) -> int:
        return len(self._x.host.signals(self._x.resource.logical_id))

    def _await_signals(self, before: int, count: int) -> None:
        """Wait for a signal of each new instance, or just pause."""
        policy = self._policy
        if not policy.signals:
            self._pause(policy.pause)
            return
        self._note(
            f"New instance(s) added to autoscaling group - Waiting on {count} resource signal(s) with a timeout of "
            f"{policy.pause_text}."
        )
        seen = before
        try:
            while seen < before + count:
                self._x.wait(lambda seen=seen: self._heard() > seen, "signals", policy.pause)  # type: ignore[misc]
                self._count(self._x.host.signals(self._x.resource.logical_id)[seen])
                seen += 1
        except Failed as error:
            if not str(error).startswith("Exceeded"):
                raise
            missing = before + count - seen
            self._bad += missing
            self._note(f"Failed to receive {missing} resource signal(s) within the specified duration")
        allowed = self._total - math.ceil(self._total * policy.percent / 100)
        if self._bad > allowed:
            raise Failed(
                f"Received {self._bad} FAILURE signal(s) out of {self._total}. Unable to satisfy {policy.percent}% "
                "MinSuccessfulInstancesPercent requirement"
            )

    def _count(self, signal: Any) -> None:
        self._good += signal.success
        self._bad += not signal.success
        word = "SUCCESS" if signal.success else "FAILURE"
        self._note(f"Received {word} signal with UniqueId {signal.unique_id}")

    def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                self._x.wait(lambda: False, "pause", seconds)
            except Failed as error:
                if not str(error).startswith("Exceeded"):
                    raise
