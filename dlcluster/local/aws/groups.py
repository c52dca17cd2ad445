"""What an Auto Scaling group is: its settings, members and activities, and how AWS words them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SETTINGS = {  # what a caller may set and the group merely remembers, with AWS's defaults
    "DefaultCooldown": 300,
    "HealthCheckType": "EC2",
    "HealthCheckGracePeriod": 0,
    "PlacementGroup": None,
    "TerminationPolicies": ["Default"],
    "NewInstancesProtectedFromScaleIn": False,
    "CapacityRebalance": None,
    "ServiceLinkedRoleARN": None,
    "Context": None,
    "DefaultInstanceWarmup": None,
    "DesiredCapacityType": None,
}


def now() -> datetime:
    return datetime.now(UTC)


def at() -> str:
    """The time as the causes of activities begin with it."""
    return f"At {now():%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Activity:
    """One scaling activity; `code` is PreInService, InProgress, Successful or Failed."""

    group: str
    group_arn: str
    description: str
    cause: str
    code: str = "InProgress"
    message: str = ""
    progress: int = 0
    started: datetime = field(default_factory=now)
    ended: datetime | None = None
    details: str = "{}"
    told: bool = False  # topics have heard of its end
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, code: str = "Successful", message: str = "") -> None:
        self.code, self.message, self.progress, self.ended = code, message, 100, now()

    def described(self) -> dict[str, Any]:
        return {
            "ActivityId": self.id,
            "AutoScalingGroupName": self.group,
            "AutoScalingGroupARN": self.group_arn,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StatusCode": self.code,
            "StatusMessage": self.message or None,
            "Progress": self.progress,
            "Details": self.details,
        }


@dataclass
class Member:
    """An instance of a group. `doom` is the activity that says why it must go."""

    id: str
    instance_type: str
    zone: str
    place: str
    template: dict[str, str]
    launch: Activity
    protected: bool = False
    spot: bool = False
    state: str = "Pending"
    health: str = "Healthy"
    doom: Activity | None = None
    since: datetime | None = None  # in service
    waits: list[Any] = field(default_factory=list)  # lifecycle hooks that hold it up

    def serve(self) -> None:
        """It is in service from now on."""
        self.state, self.since, self.waits = "InService", now(), []

    def described(self) -> dict[str, Any]:
        return {
            "InstanceId": self.id,
            "InstanceType": self.instance_type,
            "AvailabilityZone": self.zone,
            "LifecycleState": self.state,
            "HealthStatus": self.health,
            "LaunchTemplate": self.template or None,
            "ProtectedFromScaleIn": self.protected,
        }


@dataclass
class Group:
    """A group; `places` are its subnets, or its zones when it names no subnet.

    `mixed` is its MixedInstancesPolicy; without one it launches from `template`.
    """

    region: str
    account_id: str
    name: str
    minimum: int
    maximum: int
    desired: int
    template: dict[str, str]
    subnets: list[str]
    zones: list[str]
    settings: dict[str, Any]
    tags: dict[str, dict[str, Any]]
    reason: str
    mixed: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, Any] = field(default_factory=dict)
    refreshes: list[Any] = field(default_factory=list)  # newest first
    notices: dict[str, list[str]] = field(default_factory=dict)  # notification types by topic
    metrics: set[str] = field(default_factory=set)
    created: datetime = field(default_factory=now)
    suspended: dict[str, str] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)  # newest first
    deleting: bool = False
    failures: int = 0
    full: set[str] = field(default_factory=set)  # places where the last launches failed
    retry_at: float = 0.0
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        return (
            f"arn:aws:autoscaling:{self.region}:{self.account_id}:autoScalingGroup:{self.uuid}"
            f":autoScalingGroupName/{self.name}"
        )

    @property
    def places(self) -> list[str]:
        return self.subnets or self.zones

    @property
    def target(self) -> int:
        return 0 if self.deleting else self.desired

    @property
    def live(self) -> list[Member]:
        """Members that count for the capacity, oldest first."""
        return [member for member in self.members.values() if member.doom is None and member.state != "Standby"]

    def use(self, settings: dict[str, Any]) -> None:
        """Launch by other settings from now on: LaunchTemplate or MixedInstancesPolicy."""
        if "MixedInstancesPolicy" in settings:
            self.mixed = settings["MixedInstancesPolicy"]
            self.template = self.mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
        elif "LaunchTemplate" in settings:
            self.mixed, self.template = {}, settings["LaunchTemplate"]

    def runs(self, process: str) -> bool:
        """Whether a process (Launch, Terminate, HealthCheck, ReplaceUnhealthy...) is not suspended."""
        return self.deleting or process not in self.suspended

    def begin(self, description: str, cause: str) -> Activity:
        """Record a new activity."""
        activity = Activity(self.name, self.arn, description, cause)
        self.activities.insert(0, activity)
        return activity

    def next_places(self, count: int) -> Counter[str]:
        """Where to launch: the emptiest place first, and none where it just failed unless it failed everywhere."""
        used = Counter(member.place for member in self.live)
        places = [place for place in self.places if place not in self.full] or self.places
        chosen: Counter[str] = Counter()
        for _ in range(count):
            place = min(places, key=lambda item: used[item])
            used[place] += 1
            chosen[place] += 1
        return chosen

    def surplus(self) -> list[Member]:
        """Members to terminate: from the fullest place, then as the policies say, never a protected one."""
        left = self.live
        if self.deleting:
            return left[: max(0, len(left) - self.target)]
        chosen: list[Member] = []
        while len(left) > self.target:
            used = Counter(member.place for member in left)
            free = [member for member in left if not member.protected]
            if not free:
                break
            most = max(used[member.place] for member in free)
            candidates = [member for member in free if used[member.place] == most]
            for policy in self.settings["TerminationPolicies"]:
                candidates = POLICIES[policy](candidates)
            chosen.append(candidates[-1])
            left = [member for member in left if member is not candidates[-1]]
        return chosen

    def described(self) -> dict[str, Any]:
        return {
            **self.settings,
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.arn,
            "LaunchTemplate": None if self.mixed else self.template,
            "MixedInstancesPolicy": self.mixed or None,
            "MinSize": self.minimum,
            "MaxSize": self.maximum,
            "DesiredCapacity": self.desired,
            "AvailabilityZones": self.zones,
            "LoadBalancerNames": [],
            "TargetGroupARNs": [],
            "Instances": [member.described() for member in self.members.values()],
            "CreatedTime": self.created,
            "SuspendedProcesses": [
                {"ProcessName": name, "SuspensionReason": why} for name, why in sorted(self.suspended.items())
            ],
            "VPCZoneIdentifier": ",".join(self.subnets),
            "EnabledMetrics": [{"Metric": name, "Granularity": "1Minute"} for name in sorted(self.metrics)],
            "Status": "Delete in progress" if self.deleting else None,
            "Tags": self.described_tags(),
        }

    def described_tags(self) -> list[dict[str, Any]]:
        """The tags in AWS's form, by key."""
        return [
            {
                "ResourceId": self.name,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": tag["Value"],
                "PropagateAtLaunch": tag["PropagateAtLaunch"],
            }
            for key, tag in sorted(self.tags.items())
        ]


def _oldest_template(members: list[Member]) -> list[Member]:
    def age(member: Member) -> tuple[str, int]:
        return member.template.get("LaunchTemplateId", ""), int(member.template.get("Version", 0))

    oldest = min(age(member) for member in members)
    return [member for member in members if age(member) == oldest]


# Each leaves those that may go; of what is left the newest goes.
POLICIES: dict[str, Callable[[list[Member]], list[Member]]] = {
    "Default": _oldest_template,
    "OldestLaunchTemplate": _oldest_template,
    "OldestInstance": lambda members: members[:1],
    "NewestInstance": lambda members: members[-1:],
}
