"""What belongs to an Auto Scaling group: policies, scheduled actions, lifecycle hooks; and launch configurations."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, names


def _call_of_group(x: Step, operation: str, **params: Any) -> None:
    """A deletion; what went with its group is gone."""
    try:
        x.call("autoscaling", operation, AutoScalingGroupName=x.get("AutoScalingGroupName"), **params)
    except ClientError as error:
        message = error.response["Error"]["Message"].lower()
        if "not found" not in message and "does not exist" not in message:
            raise


class LaunchConfiguration(Kind):
    """Refused by the service itself, as for every account made since October 2024."""

    name = "AWS::AutoScaling::LaunchConfiguration"
    _given = (
        "AssociatePublicIpAddress", "BlockDeviceMappings", "EbsOptimized", "IamInstanceProfile", "ImageId",
        "InstanceMonitoring", "InstanceType", "KeyName", "MetadataOptions", "PlacementTenancy", "SecurityGroups",
        "SpotPrice", "UserData",
    )  # fmt: skip
    properties = names(" ".join(_given) + " LaunchConfigurationName")

    def create(self, x: Step) -> None:
        name = x.get("LaunchConfigurationName") or x.unique_name()
        request = x.only(*(item for item in self._given if item != "InstanceMonitoring"))
        x.call("autoscaling", "create_launch_configuration", LaunchConfigurationName=name, **request)
        x.made(name)

    def delete(self, x: Step) -> None:
        x.call("autoscaling", "delete_launch_configuration", LaunchConfigurationName=x.physical_id)


class ScalingPolicy(Kind):
    name = "AWS::AutoScaling::ScalingPolicy"
    _given = (
        "AdjustmentType", "Cooldown", "EstimatedInstanceWarmup", "MetricAggregationType", "MinAdjustmentMagnitude",
        "PolicyType", "PredictiveScalingConfiguration", "ScalingAdjustment", "StepAdjustments",
        "TargetTrackingConfiguration",
    )  # fmt: skip
    properties = names(" ".join(_given) + " AutoScalingGroupName")
    mutable = frozenset(_given)

    def _put(self, x: Step, policy: str) -> str:
        given = x.only("AutoScalingGroupName", *self._given)
        answer = x.call("autoscaling", "put_scaling_policy", PolicyName=policy, **given)
        return str(answer["PolicyARN"])

    def create(self, x: Step) -> None:
        policy = x.unique_name()
        x.made(self._put(x, policy), PolicyName=policy)

    def update(self, x: Step) -> None:
        self._put(x, x.memo["PolicyName"])

    def delete(self, x: Step) -> None:
        _call_of_group(x, "delete_policy", PolicyName=x.memo["PolicyName"])

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Arn" else x.memo.get(name)


class ScheduledAction(Kind):
    name = "AWS::AutoScaling::ScheduledAction"
    _given = ("DesiredCapacity", "EndTime", "MaxSize", "MinSize", "Recurrence", "StartTime", "TimeZone")
    properties = names(" ".join(_given) + " AutoScalingGroupName")
    mutable = frozenset(_given)

    def _put(self, x: Step, action: str) -> None:
        given = x.only("AutoScalingGroupName", *self._given)
        x.call("autoscaling", "put_scheduled_update_group_action", ScheduledActionName=action, **given)

    def create(self, x: Step) -> None:
        action = x.unique_name()
        self._put(x, action)
        x.made(action)

    def update(self, x: Step) -> None:
        self._put(x, x.physical_id)

    def delete(self, x: Step) -> None:
        _call_of_group(x, "delete_scheduled_action", ScheduledActionName=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "ScheduledActionName" else None


class LifecycleHook(Kind):
    name = "AWS::AutoScaling::LifecycleHook"
    _given = (
        "DefaultResult", "HeartbeatTimeout", "LifecycleTransition", "NotificationMetadata", "NotificationTargetARN",
        "RoleARN",
    )  # fmt: skip
    properties = names(" ".join(_given) + " AutoScalingGroupName LifecycleHookName")
    mutable = frozenset(_given)

    def _put(self, x: Step, hook: str) -> None:
        given = x.only("AutoScalingGroupName", *self._given)
        x.call("autoscaling", "put_lifecycle_hook", LifecycleHookName=hook, **given)

    def create(self, x: Step) -> None:
        hook = x.get("LifecycleHookName") or x.unique_name()
        self._put(x, hook)
        x.made(hook)

    def update(self, x: Step) -> None:
        self._put(x, x.physical_id)

    def delete(self, x: Step) -> None:
        _call_of_group(x, "delete_lifecycle_hook", LifecycleHookName=x.physical_id)
