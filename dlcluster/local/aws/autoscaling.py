"""The Auto Scaling service: groups by launch template, their members, tags, processes and activities."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws import hooks, mixed
from dlcluster.local.aws.autoscaling_hooks import HookOperations
from dlcluster.local.aws.autoscaling_moves import MoveOperations
from dlcluster.local.aws.autoscaling_notices import NoticeOperations
from dlcluster.local.aws.groups import POLICIES, SETTINGS, Group, Member, at, now
from dlcluster.local.aws.placement import matches
from dlcluster.local.aws.query import AwsError, Context, page
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.scaling import Scaler
from dlcluster.local.aws.snapshot import held

_PROCESSES = (
    "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck", "InstanceRefresh", "Launch",
    "ReplaceUnhealthy", "ScheduledActions", "Terminate",
)  # fmt: skip
_KNOWN = {
    *SETTINGS, "AutoScalingGroupName", "LaunchTemplate", "MixedInstancesPolicy", "MinSize", "MaxSize",
    "DesiredCapacity", "AvailabilityZones", "VPCZoneIdentifier", "Tags", "LifecycleHookSpecificationList",
}  # fmt: skip
_EC2_ACTIONS = {"TerminateInstances", "StopInstances", "StartInstances"}


class AutoScaling(HookOperations, MoveOperations, NoticeOperations):
    """Groups are objects here; a thread of their own launches and terminates by calls to EC2."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("autoscaling")
        self._emulator = emulator
        self._lock = threading.RLock()
        self._groups: dict[tuple[str, str], Group] = {}
        self._all: list[Group] = []  # deleted ones too: their activities are kept
        self._scaler = Scaler(emulator, self._groups, self._lock)

    def wake(self, call: Call | None = None) -> None:
        if call is None or call.service == "autoscaling" or call.action in _EC2_ACTIONS:
            self._scaler.wake()

    def close(self) -> None:
        self._scaler.close()

    @contextmanager
    def quiet(self, *, strict: bool = True) -> Iterator[None]:
        with held(self._scaler.still, self._lock):
            yield

    def restored(self) -> None:
        for group in self._groups.values():
            group.retry_at = 0.0  # a clock of the process before

    # -- groups -----------------------------------------------------------------------------------

    def create_auto_scaling_group(self, params: dict[str, Any], context: Context) -> None:
        _refuse_unknown(params)
        name = params["AutoScalingGroupName"]
        settings = self._launch_settings(params, context.region)
        if not settings:
            raise _invalid("Valid requests must contain either LaunchTemplate or MixedInstancesPolicy parameter.")
        subnets, zones = self._places(params, context.region)
        desired = params.get("DesiredCapacity", params["MinSize"])
        _check_sizes(params["MinSize"], params["MaxSize"], desired)
        group = Group(
            region=context.region,
            account_id=context.account_id,
            name=name,
            minimum=params["MinSize"],
            maximum=params["MaxSize"],
            desired=desired,
            template={},
            subnets=subnets,
            zones=zones,
            settings={key: params.get(key, default) for key, default in SETTINGS.items()},
            tags={tag["Key"]: _tag(tag) for tag in params.get("Tags", [])},
            reason=f"{at()} a user request created an AutoScalingGroup changing the desired capacity "
            f"from 0 to {desired}.",
        )
        group.use(settings)
        for item in params.get("LifecycleHookSpecificationList", []):
            group.hooks[item["LifecycleHookName"]] = hooks.parse(item)
        with self._lock:
            if (context.region, name) in self._groups:
                message = f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
                raise AwsError("AlreadyExists", message)
            self._groups[context.region, name] = group
            self._all.append(group)

    def update_auto_scaling_group(self, params: dict[str, Any], context: Context) -> None:
        _refuse_unknown(params)
        group = self._group(params, context)
        places = self._places(params, context.region) if _names_places(params) else None
        settings = self._launch_settings(params, context.region)
        with self._lock:
            least, most = params.get("MinSize", group.minimum), params.get("MaxSize", group.maximum)
            desired = params.get("DesiredCapacity", min(max(group.desired, least), most))
            _check_sizes(least, most, desired)
            group.minimum, group.maximum = least, most
            self._set_desired(
                group,
                desired,
                f"update of AutoScalingGroup constraints to min: {least}, max: {most}, desired: {desired}",
            )
            if places:
                group.subnets, group.zones = places
            group.use(settings)
            group.settings.update({key: params[key] for key in SETTINGS if key in params})
            group.retry_at, group.failures = 0.0, 0

    def delete_auto_scaling_group(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            group = self._group(params, context)
            if group.members and not params.get("ForceDelete"):
                raise AwsError(
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while there are instances still in the group.",
                )
            group.deleting = True
            group.reason = f"{at()} a user request force deleted AutoScalingGroup."

    def set_desired_capacity(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            group, desired = self._group(params, context), params["DesiredCapacity"]
            side = "above max" if desired > group.maximum else "below min" if desired < group.minimum else ""
            if side:
                bound = group.maximum if desired > group.maximum else group.minimum
                raise _invalid(
                    f"New SetDesiredCapacity value {desired} is {side} value {bound} for the AutoScalingGroup."
                )
            self._set_desired(group, desired, "explicitly set group desired capacity")

    def describe_auto_scaling_groups(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        names, filters = params.get("AutoScalingGroupNames", []), params.get("Filters", [])
        with self._lock:
            groups = [
                group
                for (region, name), group in sorted(self._groups.items())
                if region == context.region
                and (not names or name in names)
                and all(_passes(group, item) for item in filters)
            ]
            rows = [group.described() for group in groups]
        return _page(rows, "AutoScalingGroups", "AutoScalingGroupName", params, default=50)

    # -- members ----------------------------------------------------------------------------------

    def describe_auto_scaling_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        wanted = params.get("InstanceIds", [])
        with self._lock:
            rows = [
                {**member.described(), "AutoScalingGroupName": group.name}
                for (region, _), group in sorted(self._groups.items())
                for member in group.members.values()
                if region == context.region and (not wanted or member.id in wanted)
            ]
        return _page(rows, "AutoScalingInstances", "InstanceId", params, default=50)

    def terminate_instance_in_auto_scaling_group(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group, member = self._member(params["InstanceId"], context)
            if params["ShouldDecrementDesiredCapacity"]:
                if group.desired - 1 < group.minimum:
                    raise _invalid(
                        "Currently, desiredSize equals minSize. Terminating instance without replacement "
                        "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity "
                        "flag to false or lower group's min size."
                    )
                group.desired -= 1
            cause = f"{at()} instance {member.id} was taken out of service in response to a user request."
            member.doom = member.doom or group.begin(f"Terminating EC2 instance: {member.id}", cause)
            return {"Activity": member.doom.described()}

    def set_instance_health(self, params: dict[str, Any], context: Context) -> None:
        if params["HealthStatus"] not in ("Healthy", "Unhealthy"):
            raise _invalid(f"Invalid HealthStatus: {params['HealthStatus']}")
        with self._lock:
            group, member = self._member(params["InstanceId"], context)
            grace = timedelta(seconds=group.settings["HealthCheckGracePeriod"])
            young = member.since is None or now() - member.since < grace
            if params["HealthStatus"] == "Unhealthy" and params.get("ShouldRespectGracePeriod", True) and young:
                return
            member.health = params["HealthStatus"]

    def set_instance_protection(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group = self._group(params, context)
            for instance_id in params["InstanceIds"]:
                if instance_id not in group.members:
                    raise _invalid(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
            for instance_id in params["InstanceIds"]:
                group.members[instance_id].protected = params["ProtectedFromScaleIn"]
        return {}

    # -- processes, activities, tags --------------------------------------------------------------

    def suspend_processes(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            group = self._group(params, context)
            for process in _processes(params):
                group.suspended[process] = f"User suspended {at()[0].lower()}{at()[1:]}"

    def resume_processes(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            group = self._group(params, context)
            for process in _processes(params):
                group.suspended.pop(process, None)

    def describe_scaling_activities(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name, wanted = params.get("AutoScalingGroupName"), params.get("ActivityIds", [])
        with self._lock:
            if name and not params.get("IncludeDeletedGroups"):
                self._group(params, context)
            rows = [
                activity.described()
                for group in reversed(self._all)
                for activity in group.activities
                if group.region == context.region
                and name in (None, group.name)
                and (not wanted or activity.id in wanted)
                and (params.get("IncludeDeletedGroups") or self._groups.get((group.region, group.name)) is group)
            ]
        rows.sort(key=lambda row: row["StartTime"], reverse=True)
        return _page(rows, "Activities", "ActivityId", params, default=100)

    def create_or_update_tags(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            for tag in params["Tags"]:
                group = self._group({"AutoScalingGroupName": tag.get("ResourceId")}, context)
                group.tags[tag["Key"]] = _tag(tag)

    def delete_tags(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            for tag in params["Tags"]:
                group = self._group({"AutoScalingGroupName": tag.get("ResourceId")}, context)
                group.tags.pop(tag["Key"], None)

    def describe_tags(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        fields = {
            "auto-scaling-group": "ResourceId", "key": "Key", "value": "Value",
            "propagate-at-launch": "PropagateAtLaunch",
        }  # fmt: skip
        with self._lock:
            rows = [
                tag
                for (region, _), group in sorted(self._groups.items())
                if region == context.region
                for tag in group.described_tags()
                if all(
                    str(tag[fields[item["Name"]]]).lower() in [value.lower() for value in item["Values"]]
                    for item in params.get("Filters", [])
                )
            ]
        chosen, token = page(
            rows, lambda tag: f"{tag['ResourceId']} {tag['Key']}", params.get("NextToken"), params.get("MaxRecords", 50)
        )
        return {"Tags": chosen, "NextToken": token}

    # -- helpers ----------------------------------------------------------------------------------

    def _group(self, params: dict[str, Any], context: Context) -> Group:
        name = params.get("AutoScalingGroupName")
        group = self._groups.get((context.region, name or ""))
        if group is None:
            raise _invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return group

    def _member(self, instance_id: str, context: Context) -> tuple[Group, Member]:
        for (region, _), group in self._groups.items():
            if region == context.region and instance_id in group.members:
                return group, group.members[instance_id]
        raise _invalid(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")

    def _set_desired(self, group: Group, desired: int, how: str) -> None:
        if desired != group.desired:
            change = f"changing the desired capacity from {group.desired} to {desired}"
            group.reason = f"{at()} a user request {how} {change}."
            group.desired = desired

    def _ec2(self, region: str, action: str, **params: Any) -> dict[str, Any]:
        """Ask EC2; what it refuses is a ValidationError of the caller's request."""
        try:
            return getattr(self._emulator.client("ec2", region, origin="autoscaling"), action)(**params)
        except ClientError as error:
            raise _invalid(error.response["Error"]["Message"]) from None

    def _template(self, wanted: dict[str, str], region: str) -> dict[str, str]:
        name = {key: wanted[key] for key in ("LaunchTemplateId", "LaunchTemplateName") if key in wanted}
        version = wanted.get("Version", "$Default")
        found = self._ec2(region, "describe_launch_template_versions", **name, Versions=[version])
        if not found["LaunchTemplateVersions"]:
            raise _invalid(f"The launch template {name} has no version {version}.")
        row = found["LaunchTemplateVersions"][0]
        return {
            "LaunchTemplateId": row["LaunchTemplateId"],
            "LaunchTemplateName": row["LaunchTemplateName"],
            "Version": version,
        }

    def _launch_settings(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """LaunchTemplate or MixedInstancesPolicy of a request, checked; {} when it names neither."""
        if "LaunchTemplate" in params and "MixedInstancesPolicy" in params:
            raise _invalid("Valid requests must contain either LaunchTemplate or MixedInstancesPolicy parameter.")
        if "MixedInstancesPolicy" in params:
            policy = mixed.parse(params["MixedInstancesPolicy"], lambda wanted: self._template(wanted, region))
            return {"MixedInstancesPolicy": policy}
        if "LaunchTemplate" in params:
            return {"LaunchTemplate": self._template(params["LaunchTemplate"], region)}
        return {}

    def _places(self, params: dict[str, Any], region: str) -> tuple[list[str], list[str]]:
        """Subnets and zones of a group."""
        subnets = [item.strip() for item in params.get("VPCZoneIdentifier", "").split(",") if item.strip()]
        if subnets:
            found = self._ec2(region, "describe_subnets", SubnetIds=subnets)["Subnets"]
            return subnets, sorted({item["AvailabilityZone"] for item in found})
        zones = params.get("AvailabilityZones", [])
        if not zones:
            raise _invalid("At least one Availability Zone or VPC Subnet is required.")
        known = {row["ZoneName"] for row in self._ec2(region, "describe_availability_zones")["AvailabilityZones"]}
        if unknown := [zone for zone in zones if zone not in known]:
            raise _invalid(f"Invalid availability zones: {unknown}")
        return [], zones


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _refuse_unknown(params: dict[str, Any]) -> None:
    unknown = sorted(set(params) - _KNOWN)
    if unknown:
        raise _invalid(f"Not emulated: {', '.join(unknown)}")
    policies = set(params.get("TerminationPolicies", [])) - POLICIES.keys()
    if policies:
        raise _invalid(f"Termination policies that are not emulated: {', '.join(sorted(policies))}")


def _names_places(params: dict[str, Any]) -> bool:
    return "VPCZoneIdentifier" in params or "AvailabilityZones" in params


def _check_sizes(least: int, most: int, desired: int) -> None:
    if least > most:
        raise _invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if not least <= desired <= most:
        raise _invalid(f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")


def _tag(tag: dict[str, Any]) -> dict[str, Any]:
    return {"Value": tag.get("Value", ""), "PropagateAtLaunch": tag.get("PropagateAtLaunch", False)}


def _processes(params: dict[str, Any]) -> list[str]:
    wanted = params.get("ScalingProcesses") or list(_PROCESSES)
    for name in wanted:
        if name not in _PROCESSES:
            raise _invalid(f"Invalid process type: {name}")
    return wanted


def _passes(group: Group, condition: dict[str, Any]) -> bool:
    name, patterns = condition["Name"], condition["Values"]
    if name == "tag-key":
        values = list(group.tags)
    elif name == "tag-value":
        values = [tag["Value"] for tag in group.tags.values()]
    elif name.startswith("tag:"):
        values = [group.tags[name[4:]]["Value"]] if name[4:] in group.tags else []
    else:
        raise _invalid(f"Invalid filter: {name}")
    return any(matches(pattern, value) for pattern in patterns for value in values)


def _page(
    rows: list[dict[str, Any]], key: str, identity: str, params: dict[str, Any], *, default: int
) -> dict[str, Any]:
    limit = min(params.get("MaxRecords", default), 100)
    chosen, token = page(rows, lambda row: str(row[identity]), params.get("NextToken"), limit)
    return {key: chosen, "NextToken": token}
