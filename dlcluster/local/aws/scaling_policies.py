"""What scales groups by itself, held inert: policies act only when executed, scheduled actions never fire.

Launch configurations stand here too: no account of today can make one.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.query import AwsError, Context, QueryService, page

PAGE = 50
_GIVEN = (
    "AdjustmentType", "MinAdjustmentStep", "MinAdjustmentMagnitude", "ScalingAdjustment", "Cooldown",
    "MetricAggregationType", "StepAdjustments", "EstimatedInstanceWarmup", "TargetTrackingConfiguration",
    "PredictiveScalingConfiguration",
)  # fmt: skip
_NEEDED = {
    "SimpleScaling": ("AdjustmentType", "ScalingAdjustment"),
    "StepScaling": ("AdjustmentType", "StepAdjustments"),
    "TargetTrackingScaling": ("TargetTrackingConfiguration",),
    "PredictiveScaling": ("PredictiveScalingConfiguration",),
}
_ADJUSTMENTS = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")
_TIMES = ("StartTime", "EndTime", "Recurrence", "MinSize", "MaxSize", "DesiredCapacity", "TimeZone")

Key = tuple[str, str, str]  # region, group, name


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


class ScalingPolicies(QueryService):
    """Scaling policies, scheduled actions and launch configurations of one emulated account."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("autoscaling")
        self._emulator = emulator
        self._lock = threading.RLock()
        self._policies: dict[Key, dict[str, Any]] = {}
        self._actions: dict[Key, dict[str, Any]] = {}

    # -- policies -------------------------------------------------------------------------------------

    def put_scaling_policy(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        group, name = params["AutoScalingGroupName"], params["PolicyName"]
        self._group(group, context.region)
        kind = params.get("PolicyType") or "SimpleScaling"
        if kind not in _NEEDED:
            raise _invalid(f"Unknown policy type {kind}")
        for field in _NEEDED[kind]:
            if field not in params:
                raise _invalid(f"{field} is required for policies of type {kind}")
        if params.get("AdjustmentType", _ADJUSTMENTS[0]) not in _ADJUSTMENTS:
            raise _invalid(f"Invalid AdjustmentType {params['AdjustmentType']}: it is one of {', '.join(_ADJUSTMENTS)}")
        with self._lock:
            old = self._policies.get((context.region, group, name))
            row = {
                "AutoScalingGroupName": group,
                "PolicyName": name,
                "PolicyARN": old["PolicyARN"]
                if old
                else self._arn("scalingPolicy", group, "policyName", name, context),
                "PolicyType": kind,
                "Enabled": params.get("Enabled", True),
                "Alarms": [],
                **{field: params[field] for field in _GIVEN if field in params},
            }
            self._policies[context.region, group, name] = row
        return {"PolicyARN": row["PolicyARN"], "Alarms": []}

    def describe_policies(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        group, names, kinds = params.get("AutoScalingGroupName"), params.get("PolicyNames"), params.get("PolicyTypes")
        rows = [
            row
            for row in self._rows(self._policies, context.region)
            if group in (None, row["AutoScalingGroupName"])
            and (not names or row["PolicyName"] in names or row["PolicyARN"] in names)
            and (not kinds or row["PolicyType"] in kinds)
        ]
        found, token = page(rows, _policy_arn, params.get("NextToken"), params.get("MaxRecords") or PAGE)
        return {"ScalingPolicies": found, "NextToken": token}

    def delete_policy(self, params: dict[str, Any], context: Context) -> None:
        key, _ = self._policy(params, context.region)
        with self._lock:
            self._policies.pop(key, None)

    def execute_policy(self, params: dict[str, Any], context: Context) -> None:
        """Set the group's desired capacity as the policy says, within the group's bounds."""
        (region, name, _), row = self._policy(params, context.region)
        group = self._group(name, region)
        current = group["DesiredCapacity"]
        if row["PolicyType"] == "SimpleScaling":
            amount = row["ScalingAdjustment"]
        elif row["PolicyType"] == "StepScaling":
            amount = _step(row, params)
        else:
            raise _invalid(f"Policies of type {row['PolicyType']} cannot be executed")
        wanted = min(max(_adjusted(row, current, amount), group["MinSize"]), group["MaxSize"])
        if wanted != current:
            client = self._emulator.client("autoscaling", region, "autoscaling")
            client.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=wanted)

    def _policy(self, params: dict[str, Any], region: str) -> tuple[Key, dict[str, Any]]:
        name, group = params["PolicyName"], params.get("AutoScalingGroupName")
        with self._lock:
            for key, row in self._policies.items():
                same_group = group in (None, key[1]) and (group or name == row["PolicyARN"])
                if key[0] == region and same_group and name in (key[2], row["PolicyARN"]):
                    return key, row
        raise _invalid(f"PolicyName not found for AutoScalingGroup - policy {name} does not exist")

    # -- scheduled actions ----------------------------------------------------------------------------

    def put_scheduled_update_group_action(self, params: dict[str, Any], context: Context) -> None:
        group, name = params["AutoScalingGroupName"], params["ScheduledActionName"]
        self._group(group, context.region)
        if not {"MinSize", "MaxSize", "DesiredCapacity"} & params.keys():
            raise _invalid("At least one of MinSize, MaxSize or DesiredCapacity must be specified")
        if not {"StartTime", "Time", "Recurrence"} & params.keys():
            raise _invalid("Either Recurrence or StartTime must be specified")
        start = params.get("StartTime") or params.get("Time")
        with self._lock:
            row = {
                "AutoScalingGroupName": group,
                "ScheduledActionName": name,
                "ScheduledActionARN": self._arn(
                    "scheduledUpdateGroupAction", group, "scheduledActionName", name, context
                ),
                **{field: params[field] for field in _TIMES if field in params},
                "StartTime": start,
                "Time": start,
            }
            self._actions[context.region, group, name] = row

    def describe_scheduled_actions(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        group, names = params.get("AutoScalingGroupName"), params.get("ScheduledActionNames")
        rows = [
            row
            for row in self._rows(self._actions, context.region)
            if group in (None, row["AutoScalingGroupName"]) and (not names or row["ScheduledActionName"] in names)
        ]
        found, token = page(rows, _action_arn, params.get("NextToken"), params.get("MaxRecords") or PAGE)
        return {"ScheduledUpdateGroupActions": found, "NextToken": token}

    def delete_scheduled_action(self, params: dict[str, Any], context: Context) -> None:
        key = context.region, params["AutoScalingGroupName"], params["ScheduledActionName"]
        with self._lock:
            if self._actions.pop(key, None) is None:
                raise _invalid(f"Scheduled action name not found - action {key[2]} does not exist")

    # -- launch configurations ------------------------------------------------------------------------

    def create_launch_configuration(self, params: dict[str, Any], context: Context) -> None:
        """As AWS answers every account made since October 2024."""
        raise AwsError(
            "UnsupportedOperation",
            "The Launch Configuration creation operation is not available in your account. Use launch templates to "
            "create configuration templates for your Auto Scaling groups.",
        )

    def describe_launch_configurations(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"LaunchConfigurations": []}

    def delete_launch_configuration(self, params: dict[str, Any], context: Context) -> None:
        name = params["LaunchConfigurationName"]
        raise _invalid(f"Launch configuration name not found - Launch configuration {name} not found")

    # -- groups ---------------------------------------------------------------------------------------

    def _groups(self, region: str) -> dict[str, dict[str, Any]]:
        client = self._emulator.client("autoscaling", region, "autoscaling")
        pages = client.get_paginator("describe_auto_scaling_groups").paginate()
        return {row["AutoScalingGroupName"]: row for found in pages for row in found["AutoScalingGroups"]}

    def _group(self, name: str, region: str) -> dict[str, Any]:
        try:
            groups = self._groups(region)
        except ClientError as problem:  # an injected fault: the caller shall see it
            problem_of = problem.response["Error"]
            raise AwsError(problem_of["Code"], problem_of["Message"]) from None
        if name not in groups:
            raise _invalid(f"Group {name} not found")
        return groups[name]

    def _rows(self, held: dict[Key, dict[str, Any]], region: str) -> list[dict[str, Any]]:
        """What belongs to a group that still lives; the rest is forgotten."""
        groups = self._groups(region)
        with self._lock:
            for key in [key for key in held if key[0] == region and key[1] not in groups]:
                del held[key]
            return [row for key, row in held.items() if key[0] == region]

    @staticmethod
    def _arn(kind: str, group: str, field: str, name: str, context: Context) -> str:
        return (
            f"arn:aws:autoscaling:{context.region}:{context.account_id}:{kind}:{uuid.uuid4()}"
            f":autoScalingGroupName/{group}:{field}/{name}"
        )


def _policy_arn(row: dict[str, Any]) -> str:
    return str(row["PolicyARN"])


def _action_arn(row: dict[str, Any]) -> str:
    return str(row["ScheduledActionARN"])


def _step(row: dict[str, Any], params: dict[str, Any]) -> int:
    """The adjustment of the step that the metric falls into."""
    if "MetricValue" not in params or "BreachThreshold" not in params:
        raise _invalid("MetricValue and BreachThreshold must be specified for policies of type StepScaling")
    distance = params["MetricValue"] - params["BreachThreshold"]
    for step in row["StepAdjustments"]:
        lower = step.get("MetricIntervalLowerBound", float("-inf"))
        upper = step.get("MetricIntervalUpperBound", float("inf"))
        if lower <= distance < upper:
            return int(step["ScalingAdjustment"])
    return 0


def _adjusted(row: dict[str, Any], current: int, amount: int) -> int:
    if row["AdjustmentType"] == "ExactCapacity":
        return amount
    if row["AdjustmentType"] == "ChangeInCapacity":
        return current + amount
    change = current * amount / 100
    least = row.get("MinAdjustmentMagnitude", 1)
    whole = max(int(abs(change)), least)
    return current + (whole if amount > 0 else -whole)
