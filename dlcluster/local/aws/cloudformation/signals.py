"""Signals from nodes: CreationPolicy, and what wait conditions count."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from dlcluster.local.aws.cloudformation.intrinsics import NO_VALUE
from dlcluster.local.aws.cloudformation.model import Resource, Signal
from dlcluster.local.aws.cloudformation.types.base import POLL_SECONDS, Cancelled, Failed
from dlcluster.local.aws.query import AwsError

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.operation import Operation

_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


def duration(text: str) -> int:
    """Seconds of an ISO 8601 duration such as PT15M. Raises Failed."""
    match = _DURATION.fullmatch(text)
    if not match or not any(match.groups()):
        raise Failed(f"Invalid duration: {text}")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def report(body: bytes) -> Signal:
    """The signal in a report to a wait condition's handle. Raises AwsError for anything else."""
    try:
        fields = json.loads(body)
        return Signal(
            str(fields["UniqueId"]),
            {"SUCCESS": True, "FAILURE": False}[fields["Status"]],
            str(fields.get("Reason", "")),
            str(fields.get("Data", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AwsError("InvalidRequest", 'A report is {"Status": "SUCCESS" or "FAILURE", "UniqueId": ...}') from None


def await_signals(operation: Operation, resource: Resource) -> None:
    """Wait as the resource's CreationPolicy says. Raises Failed with CloudFormation's words."""
    policy = resource.definition.creation_policy
    if not policy:
        return
    policy = operation.plan.resolver.resolve(policy)  # type: ignore[attr-defined]
    if policy is NO_VALUE:
        return
    wanted = policy.get("ResourceSignal", {})
    count = int(wanted.get("Count", 1))
    percent = int(policy.get("AutoScalingCreationPolicy", {}).get("MinSuccessfulInstancesPercent", 100))
    needed = -(-count * percent // 100)
    deadline = time.monotonic() + duration(str(wanted.get("Timeout", "PT5M")))
    seen: set[str] = set()
    while True:
        signals = operation.signals(resource.logical_id)
        for signal in signals:
            if signal.unique_id not in seen:
                seen.add(signal.unique_id)
                _announce(operation, resource, signal)
        good = sum(signal.success for signal in signals)
        bad = len(signals) - good
        if good >= needed:
            return
        if bad > count - needed:
            raise Failed(
                f"Received {bad} FAILURE signal(s) out of {count}. Unable to satisfy {percent}% "
                "MinSuccessfulInstancesPercent requirement"
            )
        if time.monotonic() > deadline:
            missing = count - len(signals)
            raise Failed(
                f"Failed to receive {missing} resource signal(s) within the specified duration"
                if resource.type != "AWS::AutoScaling::AutoScalingGroup"
                else f"Received {good} SUCCESS signal(s) out of {count}. Unable to satisfy {percent}% "
                "MinSuccessfulInstancesPercent requirement"
            )
        if operation.cancelled():
            raise Cancelled("Resource creation cancelled")
        time.sleep(POLL_SECONDS)


def _announce(operation: Operation, resource: Resource, signal: Signal) -> None:
    word = "SUCCESS" if signal.success else "FAILURE"
    reason = f"Received {word} signal with UniqueId {signal.unique_id}"
    operation.stack.set_resource(resource, "CREATE_IN_PROGRESS", reason)
