"""The thread that brings every Auto Scaling group to its desired capacity, by EC2 calls through the front."""

from __future__ import annotations

import functools
import json
import logging
import re
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dlcluster.local.aws import hooks, mixed, refresh
from dlcluster.local.aws.autoscaling_notices import tell
from dlcluster.local.aws.groups import Group, Member, at

log = logging.getLogger(__name__)

_BACKOFF = (0.2, 5.0)  # seconds: after the first failed launch, and at most
_REST = (0.02, 0.1)  # seconds between two looks: as long as the last look took, within these bounds
_TICK = 5.0  # look even when nobody woke us
_REFRESH = 0.2  # between two looks while members are replaced


class Scaler:
    """Works on `groups` (by region and name), which it shares with the service under `lock`."""

    def __init__(self, emulator: Any, groups: dict[tuple[str, str], Group], lock: threading.RLock) -> None:
        self._emulator = emulator
        self._groups = groups
        self._lock = lock
        self.still = threading.Lock()  # held during a step: nothing is half launched while a snapshot is taken
        self._event = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Look at the groups soon; the thread starts with the first group."""
        self._event.set()
        with self._lock:
            if self._groups and self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="autoscaling", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._closed = True
        self._event.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = _TICK
        while not self._closed:
            self._event.wait(pause)
            self._event.clear()
            started = time.monotonic()
            with self._lock:
                groups = list(self._groups.values())
            pause = min([_TICK, *(self._look(group) for group in groups)])
            time.sleep(min(_REST[1], max(_REST[0], time.monotonic() - started)))

    def _look(self, group: Group) -> float:
        """One step for a group; returns the seconds until it wants the next one."""
        try:
            with self.still:
                return self._step(group)
        except (ClientError, BotoCoreError) as error:
            log.debug("group %s: %s", group.name, error)
            return _BACKOFF[0]
        except Exception:
            log.exception("group %s", group.name)
            return _TICK

    def _step(self, group: Group) -> float:
        self._check(group)
        with self._lock:
            running = refresh.active(group)
            if running and group.runs("InstanceRefresh"):
                refresh.step(group, running)
        self._terminate(group)
        tell(self._emulator, self._lock, group)
        pause = min([_REFRESH if running else _TICK, *hooks.seconds_left(group)])
        with self._lock:
            missing = group.target - len(group.live)
            wait = group.retry_at - time.monotonic()
            if group.deleting and not group.members:
                self._groups.pop((group.region, group.name), None)
                return _TICK
            if missing <= 0 or not group.runs("Launch"):
                return pause
        if wait > 0:
            return wait
        self._launch(group, missing)
        return 0.0

    def _client(self, group: Group) -> Any:
        return self._emulator.client("ec2", group.region, origin="autoscaling")

    # -- health -----------------------------------------------------------------------------------

    def _check(self, group: Group) -> None:
        """Learn what became of the members."""
        if not group.members:
            return
        states = self._states(group)
        with self._lock:
            for member in list(group.members.values()):
                self._judge(group, member, states.get(member.id, "terminated"))

    def _states(self, group: Group) -> dict[str, str]:
        wanted = list(group.members)
        client = self._client(group)
        try:
            statuses = client.describe_instance_status(InstanceIds=wanted, IncludeAllInstances=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
                raise
            gone = re.findall(r"i-[0-9a-f]+", error.response["Error"]["Message"])
            wanted = [instance_id for instance_id in wanted if instance_id not in gone]
            if not wanted:
                return {}
            statuses = client.describe_instance_status(InstanceIds=wanted, IncludeAllInstances=True)
        return {item["InstanceId"]: item["InstanceState"]["Name"] for item in statuses["InstanceStatuses"]}

    def _judge(self, group: Group, member: Member, state: str) -> None:
        if state == "terminated":
            if member.doom is None:
                if not group.runs("HealthCheck") or not group.runs("ReplaceUnhealthy"):
                    member.health = "Unhealthy"
                    return
                self._doom(group, member, _DIED.format(at=at()))
            if member.launch.ended is None:
                member.launch.finish("Cancelled")
            if member.doom is not None:
                member.doom.finish()
            del group.members[member.id]
        elif state == "running" and member.state in ("Pending", "Pending:Wait"):
            self._arrive(group, member)
        elif member.state == "Standby":
            return
        elif state in ("stopping", "stopped", "shutting-down") and group.runs("HealthCheck"):
            member.health = "Unhealthy"
            self._doom_unhealthy(group, member, _DIED.format(at=at()))
        elif member.health == "Unhealthy":
            self._doom_unhealthy(group, member, _USER_HEALTH.format(at=at()))

    def _arrive(self, group: Group, member: Member) -> None:
        """A member runs: it serves, unless a lifecycle hook holds it up or gives it up."""
        if member.state == "Pending" and hooks.begin(group, member, hooks.LAUNCHING):
            member.state = "Pending:Wait"
            member.launch.code, member.launch.progress = "MidLifecycleAction", 60
        result = hooks.outcome(member)
        if result == "CONTINUE" and member.doom is None:
            member.serve()
            member.launch.finish()
        elif result == "ABANDON" and member.doom is None:
            message = hooks.abandoned(member)
            member.launch.finish("Cancelled", message)
            self._doom(group, member, f"{at()} an instance was taken out of service. {message}")

    def _doom_unhealthy(self, group: Group, member: Member, cause: str) -> None:
        if member.doom is None and group.runs("ReplaceUnhealthy"):
            self._doom(group, member, cause)

    @staticmethod
    def _doom(group: Group, member: Member, cause: str) -> None:
        member.doom = group.begin(f"Terminating EC2 instance: {member.id}", cause)

    # -- scaling in -------------------------------------------------------------------------------

    def _terminate(self, group: Group) -> None:
        if not group.runs("Terminate"):
            return
        with self._lock:
            live = len(group.live)
            for member in group.surplus():
                cause = (
                    f"{group.reason}  {at()} an instance was taken out of service in response to a difference "
                    f"between desired and actual capacity, shrinking the capacity from {live} to "
                    f"{group.target}.  {at()} instance {member.id} was selected for termination."
                )
                self._doom(group, member, cause.strip())
            condemned = [m for m in group.members.values() if m.doom and self._may_end(group, m)]
        if not condemned:
            return
        self._client(group).terminate_instances(InstanceIds=[member.id for member in condemned])
        with self._lock:
            for member in condemned:
                member.state = "Terminating"
        self._event.set()

    @staticmethod
    def _may_end(group: Group, member: Member) -> bool:
        """Whether a condemned member can be terminated now: no lifecycle hook holds it up."""
        if member.state == "Terminating" or group.deleting:
            return member.state != "Terminating"
        if member.state != "Terminating:Wait" and hooks.begin(group, member, hooks.TERMINATING):
            member.state = "Terminating:Wait"
            assert member.doom is not None
            member.doom.code, member.doom.progress = "MidLifecycleAction", 60
        return member.state != "Terminating:Wait" or hooks.outcome(member) != ""

    # -- scaling out ------------------------------------------------------------------------------

    def _launch(self, group: Group, missing: int) -> None:
        cause = (
            f"{group.reason}  {at()} an instance was started in response to a difference between desired and "
            f"actual capacity, increasing the capacity from {len(group.live)} to {group.target}."
        ).strip()
        for spot, part in self._markets(group, missing).items():
            for place, count in group.next_places(part).items():
                try:
                    instances, template = self._launch_at(group, place, count, spot=spot)
                except ClientError as error:
                    self._failed(group, place, cause, error.response["Error"]["Message"])
                    return
                with self._lock:
                    for instance in instances:
                        self._joined(group, instance, place, template, cause).spot = spot
        with self._lock:
            group.failures, group.retry_at, group.reason = 0, 0.0, ""
            group.full.clear()

    def _failed(self, group: Group, place: str, cause: str, message: str) -> None:
        reason = f"{message.rstrip('.')}. Launching EC2 instance failed."
        with self._lock:
            activity = group.begin(f"Launching a new EC2 instance.  Status Reason: {reason}", cause)
            activity.finish("Failed", reason)
            group.retry_at = time.monotonic() + min(_BACKOFF[1], _BACKOFF[0] * 2**group.failures)
            group.failures += 1
            group.full = {place} if group.full >= set(group.places) - {place} else {*group.full, place}

    @staticmethod
    def _joined(group: Group, instance: dict[str, Any], place: str, template: dict[str, str], cause: str) -> Member:
        activity = group.begin(f"Launching a new EC2 instance: {instance['InstanceId']}", cause)
        zone = instance["Placement"]["AvailabilityZone"]
        details = {"Availability Zone": zone}
        if group.subnets:
            details = {"Subnet ID": place, **details}
        activity.details = json.dumps(details)
        activity.code, activity.progress = "PreInService", 30
        member = group.members[instance["InstanceId"]] = Member(
            id=instance["InstanceId"],
            instance_type=instance["InstanceType"],
            zone=zone,
            place=place,
            template=template,
            launch=activity,
            protected=bool(group.settings["NewInstancesProtectedFromScaleIn"]),
        )
        return member

    @staticmethod
    def _wanted(group: Group) -> tuple[dict[str, Any], dict[str, str]]:
        """The mixed instances policy (or {}) and the launch template of what is launched now."""
        running = refresh.active(group)
        desired = running.desired if running else {}
        if "LaunchTemplate" in desired:
            return {}, desired["LaunchTemplate"]
        policy = desired.get("MixedInstancesPolicy") or group.mixed
        return policy, policy["LaunchTemplate"]["LaunchTemplateSpecification"] if policy else group.template

    def _markets(self, group: Group, missing: int) -> dict[bool, int]:
        """How many of the missing members are to be spot instances (True) and how many not."""
        policy, _ = self._wanted(group)
        if not policy:
            return {False: missing}
        live = group.live
        base = mixed.on_demand(policy, len(live) + missing) - sum(not member.spot for member in live)
        steady = min(missing, max(0, base))
        return {spot: count for spot, count in ((False, steady), (True, missing - steady)) if count}

    def _launch_at(self, group: Group, place: str, count: int, *, spot: bool) -> tuple[list[Any], dict[str, str]]:
        """Launch in one place; a type that has no capacity gives way to the next one of a mixed group."""
        policy, template = self._wanted(group)
        price = functools.partial(self._price, group)
        rows = mixed.choices(policy, spot=spot, price=price) if policy else [(None, template)]
        for position, (kind, wanted) in enumerate(rows):
            data, named = self._template(group, wanted)
            options: dict[str, Any] = {"InstanceType": kind} if kind else {}
            if spot:
                options["InstanceMarketOptions"] = mixed.market(policy)
            try:
                return self._run_instances(group, place, count, data, wanted, options), named
            except ClientError as error:
                if position + 1 == len(rows) or error.response["Error"]["Code"] not in _NEXT_TYPE:
                    raise
        raise AssertionError("a group has at least one type")

    def _price(self, group: Group, kind: str) -> float:
        """The type's spot price, by which types are compared; 0 when EC2 tells none."""
        rows = self._client(group).describe_spot_price_history(
            InstanceTypes=[kind], ProductDescriptions=["Linux/UNIX"], MaxResults=5
        )["SpotPriceHistory"]
        return min((float(row["SpotPrice"]) for row in rows), default=0.0)

    def _template(self, group: Group, wanted: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The data of a version of a launch template, and that version's name."""
        name = {key: value for key, value in wanted.items() if key == "LaunchTemplateId"}
        versions = [wanted.get("Version", "$Default")]
        found = self._client(group).describe_launch_template_versions(**name, Versions=versions)
        version = found["LaunchTemplateVersions"][0]
        return version["LaunchTemplateData"], {
            "LaunchTemplateId": version["LaunchTemplateId"],
            "LaunchTemplateName": version["LaunchTemplateName"],
            "Version": str(version["VersionNumber"]),
        }

    def _run_instances(
        self,
        group: Group,
        place: str,
        count: int,
        data: dict[str, Any],
        template: dict[str, str],
        options: dict[str, Any],
    ) -> list[Any]:
        tags = {key: tag["Value"] for key, tag in group.tags.items() if tag["PropagateAtLaunch"]}
        tags["aws:autoscaling:groupName"] = group.name
        request: dict[str, Any] = {
            **options,
            "LaunchTemplate": {key: template[key] for key in ("LaunchTemplateId", "Version")},
            "MinCount": 1,
            "MaxCount": count,
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        }
        placement = {"GroupName": group.settings["PlacementGroup"]}
        if not group.subnets:
            placement["AvailabilityZone"] = place
        elif data.get("NetworkInterfaces"):
            request["NetworkInterfaces"] = [{**i, "SubnetId": place} for i in data["NetworkInterfaces"]]
        else:
            request["SubnetId"] = place
        request["Placement"] = {key: value for key, value in placement.items() if value}
        return self._client(group).run_instances(**request)["Instances"]


_NEXT_TYPE = {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "SpotMaxPriceTooLow",
    "MaxSpotInstanceCountExceeded",
    "Unsupported",
    "VcpuLimitExceeded",
}
_DIED = (
    "{at} an instance was taken out of service in response to an EC2 health check indicating it has been "
    "terminated or stopped."
)
_USER_HEALTH = "{at} an instance was taken out of service in response to a user health-check."
