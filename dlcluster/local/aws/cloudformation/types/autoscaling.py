"""Auto Scaling groups."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, missing_is_fine, names, removed_tags
from dlcluster.local.aws.cloudformation.types.rolling import TRIGGERS, Policy, RollingUpdate

FAILED_LAUNCHES = 5  # so many failed activities, and CloudFormation gives the group up
_IGNORE = "IgnoreUnmodifiedGroupSizeProperties"
_SIZES = {"MinSize", "MaxSize", "DesiredCapacity"}
_OBSERVED = {"NotificationConfiguration", "NotificationConfigurations", "MetricsCollection"}
_SAME = [
    "MinSize",
    "MaxSize",
    "DesiredCapacity",
    "DesiredCapacityType",
    "LaunchTemplate",
    "MixedInstancesPolicy",
    "AvailabilityZones",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "TerminationPolicies",
    "CapacityRebalance",
    "NewInstancesProtectedFromScaleIn",
    "MaxInstanceLifetime",
    "DefaultInstanceWarmup",
    "ServiceLinkedRoleARN",
]


def _notices(properties: dict[str, Any]) -> dict[str, list[str]]:
    """Notification types by topic."""
    found: dict[str, list[str]] = {}
    one = properties.get("NotificationConfiguration")
    for item in [*([one] if one else []), *(properties.get("NotificationConfigurations") or [])]:
        topics = item["TopicARN"] if isinstance(item["TopicARN"], list) else [item["TopicARN"]]
        for topic in topics:
            found.setdefault(topic, []).extend(item.get("NotificationTypes") or [])
    return found


def _metrics(properties: dict[str, Any]) -> dict[str, Any]:
    """Names of metrics (None: all) by granularity."""
    return {item["Granularity"]: item.get("Metrics") for item in properties.get("MetricsCollection") or []}


class AutoScalingGroup(Kind):
    name = "AWS::AutoScaling::AutoScalingGroup"
    properties = names(
        " ".join(_SAME) + " AutoScalingGroupName VPCZoneIdentifier Cooldown LifecycleHookSpecificationList Tags "
        "NotificationConfiguration NotificationConfigurations MetricsCollection"
    )
    mutable = properties - names("AutoScalingGroupName LifecycleHookSpecificationList")

    def create(self, x: Step) -> None:
        group = x.get("AutoScalingGroupName") or x.unique_name()
        notices, request = _notices(x.properties), self._request(x)
        later = {key: request.pop(key) for key in sorted(_SIZES & request.keys())} if notices else {}
        x.call(
            "autoscaling",
            "create_auto_scaling_group",
            AutoScalingGroupName=group,
            **({"MinSize": 0, "MaxSize": 0} if notices else {}),
            **request,
            LifecycleHookSpecificationList=x.get("LifecycleHookSpecificationList"),
            Tags=self._tags(x, group),
        )
        x.made(group)
        self._observe(x, {}, {})
        if notices:  # who is told of launches is told of the first ones
            x.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName=group, **later)
        self._stabilise(x, set())

    def _request(self, x: Step) -> dict[str, Any]:
        subnets = x.get("VPCZoneIdentifier")
        return {
            **x.only(*_SAME),
            "VPCZoneIdentifier": ",".join(subnets) if subnets else None,
            "DefaultCooldown": x.get("Cooldown"),
        }

    def _tags(self, x: Step, group: str) -> list[dict[str, Any]] | None:
        """The group's tags; stack tags reach the instances, own tags as the template says."""
        own = {item["Key"]: item["PropagateAtLaunch"] for item in x.get("Tags") or []}
        return [
            {
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": own.get(key, True),
                "ResourceId": group,
                "ResourceType": "auto-scaling-group",
            }
            for key, value in x.tags.items()
        ] or None

    def _observe(self, x: Step, notices: dict[str, list[str]], metrics: dict[str, Any]) -> None:
        """Tell topics and collect metrics as the template says; beside it what was before."""
        group = {"AutoScalingGroupName": x.physical_id}
        wanted = _notices(x.properties)
        for topic in notices.keys() - wanted.keys():
            with missing_is_fine():
                x.call("autoscaling", "delete_notification_configuration", **group, TopicARN=topic)
        for topic, kinds in wanted.items():
            if notices.get(topic) != kinds:
                x.call(
                    "autoscaling", "put_notification_configuration", **group, TopicARN=topic, NotificationTypes=kinds
                )
        collected = _metrics(x.properties)
        for granularity in metrics.keys() - collected.keys():
            x.call("autoscaling", "disable_metrics_collection", **group, Metrics=metrics[granularity])
        for granularity, names_ in collected.items():
            if metrics.get(granularity, ()) != names_:
                x.call("autoscaling", "disable_metrics_collection", **group)
                x.call("autoscaling", "enable_metrics_collection", **group, Granularity=granularity, Metrics=names_)

    def _stabilise(self, x: Step, known: set[str]) -> None:
        x.wait(lambda: self._stable(x, known), f"Group {x.physical_id} to stabilize", seconds=3600)

    def _stable(self, x: Step, known: set[str]) -> bool:
        group = self._describe(x)
        if not group:
            raise Failed(f"Group {x.physical_id} disappeared")
        serving = sum(item["LifecycleState"] == "InService" for item in group["Instances"])
        if serving >= group["DesiredCapacity"]:
            return True
        failed = [row for row in self._activities(x) if row["ActivityId"] not in known]
        failed = [row for row in failed if row["StatusCode"] == "Failed"]
        if len(failed) >= FAILED_LAUNCHES:
            sizes = f"{serving}/{group['MinSize']}/{group['DesiredCapacity']}"
            raise Failed(
                f"Group did not stabilize. {{current/minSize/group size = {sizes}}}. Failed Scaling Activity: "
                f"{failed[0].get('StatusMessage', '')}"
            )
        return False

    def _describe(self, x: Step) -> dict[str, Any]:
        answer = x.call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[x.physical_id])
        groups = answer["AutoScalingGroups"]
        return groups[0] if groups else {}

    def _activities(self, x: Step) -> list[dict[str, Any]]:
        answer = x.call("autoscaling", "describe_scaling_activities", AutoScalingGroupName=x.physical_id)
        return list(answer["Activities"])

    def update(self, x: Step) -> None:
        known = {row["ActivityId"] for row in self._activities(x)}
        policy = x.host.update_policy(x.resource)
        obsolete = [item["InstanceId"] for item in self._describe(x)["Instances"]]
        if x.changed & _OBSERVED:
            self._observe(x, _notices(x.old), _metrics(x.old))
        if x.changed - {"Tags"} - _OBSERVED:
            request = self._request(x)
            if str(policy.get("AutoScalingScheduledAction", {}).get(_IGNORE, False)).lower() == "true":
                request = {key: value for key, value in request.items() if key not in _SIZES - x.changed}
            x.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName=x.physical_id, **request)
        if "Tags" in x.changed:
            self._retag(x)
        self._stabilise(x, known)
        rolling = policy.get("AutoScalingRollingUpdate")
        if rolling is not None and obsolete and x.changed & TRIGGERS:
            here = {item["InstanceId"] for item in self._describe(x)["Instances"]}
            old = [identity for identity in obsolete if identity in here]
            RollingUpdate(x, Policy.of(rolling), lambda: self._describe(x)).run(old)
            self._stabilise(x, known)

    def _retag(self, x: Step) -> None:
        gone = [
            {"Key": key, "ResourceId": x.physical_id, "ResourceType": "auto-scaling-group"} for key in removed_tags(x)
        ]
        if gone:
            x.call("autoscaling", "delete_tags", Tags=gone)
        tags = self._tags(x, x.physical_id)
        if tags:
            x.call("autoscaling", "create_or_update_tags", Tags=tags)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("autoscaling", "delete_auto_scaling_group", AutoScalingGroupName=x.physical_id, ForceDelete=True)
        x.wait(lambda: not self._describe(x), f"Group {x.physical_id} deleted", seconds=3600)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "AutoScalingGroupARN":
            return self._describe(x)["AutoScalingGroupARN"]
        if name == "AutoScalingGroupName":
            return x.physical_id
        return super().attribute(x, name)
