"""The operations of Auto Scaling that move members: instance refresh, standby, attach and detach."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dlcluster.local.aws import refresh
from dlcluster.local.aws.groups import Activity, Group, Member, at
from dlcluster.local.aws.query import AwsError, Context, QueryService, page


class MoveOperations(QueryService):
    """StartInstanceRefresh and its kin; EnterStandby, ExitStandby, AttachInstances, DetachInstances."""

    _lock: threading.RLock

    def _group(self, params: dict[str, Any], context: Context) -> Group:
        raise NotImplementedError

    def _launch_settings(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        raise NotImplementedError

    def _ec2(self, region: str, action: str, **params: Any) -> dict[str, Any]:
        raise NotImplementedError

    # -- instance refresh -----------------------------------------------------------------------------

    def start_instance_refresh(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params.get("Strategy", "Rolling") != "Rolling":
            raise _invalid(f"Not emulated: Strategy {params['Strategy']} of an instance refresh")
        group = self._group(params, context)
        desired = self._launch_settings(params.get("DesiredConfiguration") or {}, context.region)
        made = refresh.preferences(params.get("Preferences") or {}, group)
        matches = self._matcher(group, desired, context.region) if made["SkipMatching"] else lambda member: False
        with self._lock:
            todo = [member.id for member in group.live if not matches(member)]
            begun = refresh.Refresh(group.name, made, desired, todo, len(todo))
            refresh.start(group, begun)
        return {"InstanceRefreshId": begun.id}

    def _matcher(self, group: Group, desired: dict[str, Any], region: str) -> Callable[[Member], bool]:
        """Whether a member is already as the group wants it: version and, of a mixed group, type."""
        policy = desired.get("MixedInstancesPolicy") or ({} if "LaunchTemplate" in desired else group.mixed)
        launch = policy.get("LaunchTemplate", {})
        template = launch.get("LaunchTemplateSpecification") or desired.get("LaunchTemplate") or group.template
        found = self._ec2(
            region,
            "describe_launch_template_versions",
            LaunchTemplateId=template["LaunchTemplateId"],
            Versions=[template["Version"]],
        )["LaunchTemplateVersions"][0]
        wanted = found["LaunchTemplateId"], str(found["VersionNumber"])
        kinds = {item.get("InstanceType") for item in launch.get("Overrides", [])}

        def matches(member: Member) -> bool:
            same = (member.template.get("LaunchTemplateId"), member.template.get("Version")) == wanted
            return same and (not kinds or member.instance_type in kinds)

        return matches

    def describe_instance_refreshes(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        wanted = params.get("InstanceRefreshIds", [])
        with self._lock:
            rows = [item.described() for item in self._group(params, context).refreshes]
        rows = [row for row in rows if not wanted or row["InstanceRefreshId"] in wanted]
        limit = min(params.get("MaxRecords", 50), 100)
        chosen, token = page(rows, lambda row: str(row["InstanceRefreshId"]), params.get("NextToken"), limit)
        return {"InstanceRefreshes": chosen, "NextToken": token}

    def cancel_instance_refresh(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            found = self._active(params, context)[1]
            found.status = "Cancelling"
            return {"InstanceRefreshId": found.id}

    def rollback_instance_refresh(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group, found = self._active(params, context)
            if not found.desired:
                raise AwsError(
                    "IrreversibleInstanceRefresh",
                    "The instance refresh has no desired configuration and cannot be rolled back.",
                )
            refresh.roll_back(group, found)
            return {"InstanceRefreshId": found.id}

    def _active(self, params: dict[str, Any], context: Context) -> tuple[Group, refresh.Refresh]:
        group = self._group(params, context)
        found = refresh.active(group)
        if found is None:
            raise AwsError(
                "ActiveInstanceRefreshNotFound",
                f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}",
            )
        return group, found

    # -- standby, attach, detach ----------------------------------------------------------------------

    def enter_standby(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        def move(group: Group, member: Member) -> Activity:
            member.state = "Standby"
            cause = f"{at()} instance {member.id} was moved to standby in response to a user request."
            return _done(group.begin(f"Moving EC2 instance to Standby: {member.id}", cause))

        return self._leave(params, context, move)

    def detach_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        def move(group: Group, member: Member) -> Activity:
            del group.members[member.id]
            cause = f"{at()} instance {member.id} was detached in response to a user request."
            return _done(group.begin(f"Detaching EC2 instance: {member.id}", cause))

        return self._leave(params, context, move)

    def _leave(
        self, params: dict[str, Any], context: Context, move: Callable[[Group, Member], Activity]
    ) -> dict[str, Any]:
        with self._lock:
            group = self._group(params, context)
            members = _members(group, params["InstanceIds"], "InService")
            if params["ShouldDecrementDesiredCapacity"]:
                if group.desired - len(members) < group.minimum:
                    raise _invalid(
                        f"AutoScalingGroup {group.name} has min-size={group.minimum}, "
                        f"max-size={group.maximum}, and desired-size={group.desired}. To place into standby or "
                        f"detach {len(members)} instance(s), please update the AutoScalingGroup sizes appropriately."
                    )
                group.desired -= len(members)
            return {"Activities": [move(group, member).described() for member in members]}

    def exit_standby(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group = self._group(params, context)
            members = _members(group, params["InstanceIds"], "Standby")
            _make_room(group, len(members))
            rows = []
            for member in members:
                member.serve()
                cause = f"{at()} instance {member.id} was moved out of standby in response to a user request."
                rows.append(_done(group.begin(f"Moving EC2 instance out of Standby: {member.id}", cause)).described())
            return {"Activities": rows}

    def attach_instances(self, params: dict[str, Any], context: Context) -> None:
        found = self._ec2(context.region, "describe_instances", InstanceIds=params["InstanceIds"])
        rows = [item for reservation in found["Reservations"] for item in reservation["Instances"]]
        with self._lock:
            group = self._group(params, context)
            for row in rows:
                if row["State"]["Name"] != "running":
                    raise _invalid(f"Invalid instance state for {row['InstanceId']}: it is not running")
                if row["InstanceId"] in group.members:
                    raise _invalid(f"Instance {row['InstanceId']} is already part of AutoScalingGroup:{group.name}")
            _make_room(group, len(rows))
            for row in rows:
                cause = f"{at()} an instance was attached in response to a user request."
                activity = _done(group.begin(f"Attaching an existing EC2 instance: {row['InstanceId']}", cause))
                zone = row["Placement"]["AvailabilityZone"]
                member = Member(
                    row["InstanceId"],
                    row["InstanceType"],
                    zone,
                    row["SubnetId"] if group.subnets else zone,
                    {},
                    activity,
                )
                member.serve()
                group.members[member.id] = member


def _members(group: Group, identities: list[str], state: str) -> list[Member]:
    for identity in identities:
        member = group.members.get(identity)
        if member is None:
            raise _invalid(f"The instance {identity} is not part of Auto Scaling group {group.name}.")
        if member.state != state or member.doom is not None:
            raise _invalid(f"The instance {identity} is not in {state}.")
    return [group.members[identity] for identity in identities]


def _make_room(group: Group, count: int) -> None:
    if group.desired + count > group.maximum:
        raise _invalid(
            f"AutoScalingGroup {group.name} has max-size={group.maximum} and desired-size={group.desired}. "
            f"To add {count} instance(s), please update the AutoScalingGroup sizes appropriately."
        )
    group.desired += count


def _done(activity: Activity) -> Activity:
    activity.finish()
    return activity


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
