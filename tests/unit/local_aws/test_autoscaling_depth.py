"""Auto Scaling beyond sizes: mixed instances and spot, lifecycle hooks, instance refresh, policies, standby."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws import hooks, mixed

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
NAME = {"AutoScalingGroupName": "g"}


class Fleet:
    """One group at a time, whose instances run at once."""

    def __init__(self, cloud: Any, until: Callable[..., Any]) -> None:
        self.cloud, self.until = cloud, until
        self.scaling, self.ec2 = cloud.client("autoscaling"), cloud.client("ec2")
        self.vpc, self.subnet, _ = cloud.network()
        self.image = cloud.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
        data = {"ImageId": self.image, "InstanceType": "c5.large"}
        made = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=data)
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]

    def version(self, kind: str) -> str:
        """A new version of the launch template."""
        made = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData={"ImageId": self.image, "InstanceType": kind}
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def create(self, **changes: Any) -> None:
        request = {
            **NAME,
            "LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "1"},
            "MinSize": 0,
            "MaxSize": 8,
            "DesiredCapacity": 2,
            "VPCZoneIdentifier": self.subnet,
            **changes,
        }
        if "MixedInstancesPolicy" in changes:
            del request["LaunchTemplate"]
        self.scaling.create_auto_scaling_group(**request)

    def mix(self, kinds: list[str], **distribution: Any) -> dict[str, Any]:
        return {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": self.template, "Version": "1"},
                "Overrides": [{"InstanceType": kind} for kind in kinds],
            },
            "InstancesDistribution": distribution,
        }

    def group(self) -> dict[str, Any]:
        groups = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])["AutoScalingGroups"]
        return dict(groups[0]) if groups else {}

    def members(self) -> list[dict[str, Any]]:
        return list(self.group().get("Instances", []))

    def ids(self) -> list[str]:
        return [item["InstanceId"] for item in self.members()]

    def serving(self, count: int) -> list[str]:
        """Wait until exactly so many members serve, and no other is there; their ids."""

        def probe() -> list[str] | None:
            members = self.members()
            good = len(members) == count and all(item["LifecycleState"] == "InService" for item in members)
            return [item["InstanceId"] for item in members] if good else None

        if count == 0:
            self.until(lambda: not self.members())
            return []
        found: list[str] = self.until(probe)
        return found

    def waits(self, state: str) -> str:
        """Wait for a member in a state; its id."""
        found: str = self.until(
            lambda: next((item["InstanceId"] for item in self.members() if item["LifecycleState"] == state), None)
        )
        return found

    def hook(self, transition: str, **more: Any) -> None:
        self.scaling.put_lifecycle_hook(**NAME, LifecycleHookName="h", LifecycleTransition=transition, **more)

    def complete(self, instance: str, result: str) -> None:
        self.scaling.complete_lifecycle_action(
            **NAME, LifecycleHookName="h", InstanceId=instance, LifecycleActionResult=result
        )

    def activities(self) -> list[dict[str, Any]]:
        return list(self.scaling.describe_scaling_activities(**NAME)["Activities"])

    def clear(self) -> None:
        self.cloud.emulator.faults.clear()
        if self.group():
            self.scaling.delete_auto_scaling_group(**NAME, ForceDelete=True)
        self.until(lambda: not self.group())


@pytest.fixture(scope="module")
def workshop(cloud: Any, wait_until: Callable[..., Any]) -> Fleet:
    return Fleet(cloud, wait_until)


@pytest.fixture
def fleet(workshop: Fleet) -> Iterator[Fleet]:
    yield workshop
    workshop.clear()


# -- mixed instances ------------------------------------------------------------------------------------


def test_base_and_share_decide_how_many_are_spot(fleet: Fleet) -> None:
    policy = fleet.mix(["c5.xlarge"], OnDemandBaseCapacity=1, OnDemandPercentageAboveBaseCapacity=25)
    fleet.create(MixedInstancesPolicy=policy, DesiredCapacity=5)
    found = fleet.ec2.describe_instances(InstanceIds=fleet.serving(5))["Reservations"]
    instances = [item for row in found for item in row["Instances"]]
    assert [item.get("InstanceLifecycle") for item in instances].count("spot") == 3
    assert {item["InstanceType"] for item in instances} == {"c5.xlarge"}
    group = fleet.group()
    assert "LaunchTemplate" not in group
    assert group["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandBaseCapacity"] == 1


@pytest.mark.parametrize(
    ("base", "share", "total", "wanted"), [(0, 100, 4, 4), (0, 0, 4, 0), (2, 0, 1, 1), (1, 50, 4, 3), (10, 0, 4, 4)]
)
def test_on_demand_is_rounded_up(base: int, share: int, total: int, wanted: int) -> None:
    spread = {"OnDemandBaseCapacity": base, "OnDemandPercentageAboveBaseCapacity": share}
    assert mixed.on_demand({"InstancesDistribution": spread}, total) == wanted


def test_types_are_tried_in_order_or_from_the_cheapest() -> None:
    policy = mixed.parse(
        {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": "lt"},
                "Overrides": [{"InstanceType": "a"}, {"InstanceType": "b"}],
            }
        },
        dict,
    )
    price = {"a": 2.0, "b": 1.0}.__getitem__
    assert [row[0] for row in mixed.choices(policy, spot=False, price=price)] == ["a", "b"]
    assert [row[0] for row in mixed.choices(policy, spot=True, price=price)] == ["b", "a"]


def test_a_type_without_capacity_gives_way_to_the_next(fleet: Fleet) -> None:
    from dlcluster.local.aws.calls import Fault

    fault = Fault("InsufficientInstanceCapacity", "none left", 500, "ec2", "RunInstances", "autoscaling", times=1)
    fleet.cloud.emulator.faults.add(fault)
    fleet.create(MixedInstancesPolicy=fleet.mix(["c5.xlarge", "m5.large"]), DesiredCapacity=1)
    fleet.serving(1)
    assert fleet.members()[0]["InstanceType"] == "m5.large"
    assert [row["StatusCode"] for row in fleet.activities()] == ["Successful"]


@pytest.mark.parametrize("extra", [{"WeightedCapacity": "2"}, {"InstanceRequirements": {}}])
def test_what_is_not_emulated_of_a_policy_is_named(fleet: Fleet, extra: dict[str, Any]) -> None:
    policy = fleet.mix(["c5.large"])
    policy["LaunchTemplate"]["Overrides"][0].update(
        {"InstanceRequirements": {"VCpuCount": {"Min": 1}, "MemoryMiB": {"Min": 1}}} if "Inst" in str(extra) else extra
    )
    with pytest.raises(ClientError, match=f"Not emulated: {next(iter(extra))}"):
        fleet.create(MixedInstancesPolicy=policy)


# -- lifecycle hooks ------------------------------------------------------------------------------------


def test_a_launch_hook_holds_a_member_until_it_is_let_go(fleet: Fleet) -> None:
    fleet.create(
        DesiredCapacity=1,
        LifecycleHookSpecificationList=[{"LifecycleHookName": "h", "LifecycleTransition": hooks.LAUNCHING}],
    )
    held = fleet.waits("Pending:Wait")
    assert (fleet.activities()[0]["StatusCode"], fleet.activities()[0]["Progress"]) == ("MidLifecycleAction", 60)
    fleet.scaling.record_lifecycle_action_heartbeat(**NAME, LifecycleHookName="h", InstanceId=held)
    fleet.complete(held, "CONTINUE")
    assert fleet.serving(1) == [held]
    with pytest.raises(ClientError, match="No active Lifecycle Action found with instance ID"):
        fleet.complete(held, "CONTINUE")


def test_an_abandoned_launch_is_terminated_and_replaced(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0)
    fleet.hook(hooks.LAUNCHING)
    fleet.scaling.set_desired_capacity(**NAME, DesiredCapacity=1)
    given_up = fleet.waits("Pending:Wait")
    fleet.complete(given_up, "ABANDON")
    fleet.until(lambda: fleet.waits("Pending:Wait") != given_up)
    row = next(row for row in fleet.activities() if row["Description"].endswith(f"new EC2 instance: {given_up}"))
    assert row["StatusCode"] == "Cancelled"
    assert row["StatusMessage"].endswith("was abandoned: Lifecycle Action Completed with ABANDON Result")


def test_a_termination_hook_holds_the_instance(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (last,) = fleet.serving(1)
    fleet.hook(hooks.TERMINATING)
    fleet.scaling.set_desired_capacity(**NAME, DesiredCapacity=0)
    assert fleet.waits("Terminating:Wait") == last
    assert fleet.activities()[0]["StatusCode"] == "MidLifecycleAction"
    assert fleet.cloud.emulator.compute.state(last) == "running"
    fleet.complete(last, "ABANDON")
    fleet.serving(0)
    assert fleet.cloud.emulator.compute.state(last) == "terminated"


def test_a_hook_that_nobody_answers_ends_with_its_default() -> None:
    hook = hooks.parse(
        {
            "LifecycleHookName": "h",
            "LifecycleTransition": hooks.LAUNCHING,
            "HeartbeatTimeout": 30,
            "DefaultResult": "CONTINUE",
        }
    )
    wait = hooks.Wait(hook)
    member: Any = type("Held", (), {"waits": [wait]})
    assert hooks.outcome(member) == ""
    wait.beat -= timedelta(seconds=31)
    assert hooks.outcome(member) == "CONTINUE"
    assert hook.described("g")["GlobalTimeout"] == 3000


def test_hooks_are_listed_removed_and_checked(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0)
    fleet.hook(hooks.LAUNCHING, HeartbeatTimeout=60)
    (row,) = fleet.scaling.describe_lifecycle_hooks(**NAME)["LifecycleHooks"]
    assert (row["HeartbeatTimeout"], row["GlobalTimeout"], row["DefaultResult"]) == (60, 6000, "ABANDON")
    for extra, words in (
        ({"HeartbeatTimeout": 5}, "between 30 and 7200"),
        ({"NotificationTargetARN": "arn:aws:sns:x"}, "Not emulated: NotificationTargetARN"),
    ):
        with pytest.raises(ClientError, match=words):
            fleet.hook(hooks.LAUNCHING, **extra)
    fleet.scaling.delete_lifecycle_hook(**NAME, LifecycleHookName="h")
    assert fleet.scaling.describe_lifecycle_hooks(**NAME)["LifecycleHooks"] == []


# -- instance refresh -----------------------------------------------------------------------------------


def refreshed(fleet: Fleet) -> dict[str, Any]:
    row: dict[str, Any] = fleet.scaling.describe_instance_refreshes(**NAME)["InstanceRefreshes"][0]
    return row


def test_a_refresh_brings_a_new_version_to_every_member(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=3)
    before = fleet.serving(3)
    wanted = {"LaunchTemplate": {"LaunchTemplateId": fleet.template, "Version": fleet.version("c5.xlarge")}}
    fleet.scaling.start_instance_refresh(
        **NAME, DesiredConfiguration=wanted, Preferences={"MinHealthyPercentage": 60, "InstanceWarmup": 0}
    )
    with pytest.raises(ClientError, match="already in progress"):
        fleet.scaling.start_instance_refresh(**NAME)
    fleet.until(lambda: refreshed(fleet)["Status"] == "Successful")
    assert refreshed(fleet)["PercentageComplete"] == 100
    assert {item["InstanceType"] for item in fleet.members()} == {"c5.xlarge"}
    assert not set(fleet.ids()) & set(before)
    assert fleet.group()["LaunchTemplate"]["Version"] == wanted["LaunchTemplate"]["Version"]
    assert sum("in response to an instance refresh." in row["Cause"] for row in fleet.activities()) == 3


def test_members_that_match_are_skipped(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    before = fleet.serving(1)
    fleet.scaling.start_instance_refresh(**NAME, Preferences={"SkipMatching": True, "InstanceWarmup": 0})
    fleet.until(lambda: refreshed(fleet)["Status"] == "Successful")
    assert fleet.ids() == before


def test_a_refresh_is_rolled_back_or_cancelled(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=2)
    fleet.serving(2)
    for identity in fleet.ids():
        fleet.scaling.set_instance_protection(**NAME, InstanceIds=[identity], ProtectedFromScaleIn=True)
    fleet.scaling.set_instance_protection(**NAME, InstanceIds=fleet.ids()[:1], ProtectedFromScaleIn=False)
    kept = fleet.ids()[1]
    wanted = {"LaunchTemplate": {"LaunchTemplateId": fleet.template, "Version": fleet.version("c5.xlarge")}}
    fleet.scaling.start_instance_refresh(**NAME, DesiredConfiguration=wanted, Preferences={"InstanceWarmup": 0})
    fleet.until(lambda: refreshed(fleet).get("StatusReason") == "Waiting for the protection of instances to end.")
    fleet.until(lambda: sorted(item["InstanceType"] for item in fleet.members()) == ["c5.large", "c5.xlarge"])
    fleet.scaling.rollback_instance_refresh(**NAME)
    fleet.until(lambda: refreshed(fleet)["Status"] == "RollbackSuccessful")
    assert {item["InstanceType"] for item in fleet.members()} == {"c5.large"}
    assert kept in fleet.ids()
    fleet.scaling.set_instance_protection(**NAME, InstanceIds=fleet.ids(), ProtectedFromScaleIn=True)
    fleet.scaling.start_instance_refresh(**NAME)
    with pytest.raises(ClientError, match="no desired configuration"):
        fleet.scaling.rollback_instance_refresh(**NAME)
    fleet.scaling.cancel_instance_refresh(**NAME)
    fleet.until(lambda: refreshed(fleet)["Status"] == "Cancelled")
    with pytest.raises(ClientError, match="No in progress or pending Instance Refresh"):
        fleet.scaling.cancel_instance_refresh(**NAME)


def test_preferences_that_are_not_emulated_are_named(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0)
    with pytest.raises(ClientError, match="Not emulated: CheckpointDelay"):
        fleet.scaling.start_instance_refresh(**NAME, Preferences={"CheckpointDelay": 5})


# -- policies, health, moves ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "gone"),
    [(["Default"], 0), (["OldestLaunchTemplate"], 0), (["NewestInstance"], 2), (["OldestInstance"], 0)],
)
def test_termination_policies_choose_who_goes(fleet: Fleet, policies: list[str], gone: int) -> None:
    fleet.create(DesiredCapacity=1, TerminationPolicies=policies)
    fleet.serving(1)
    wanted = {"LaunchTemplateId": fleet.template, "Version": fleet.version("c5.xlarge")}
    fleet.scaling.update_auto_scaling_group(**NAME, LaunchTemplate=wanted, DesiredCapacity=3)
    before = fleet.serving(3)
    fleet.scaling.set_desired_capacity(**NAME, DesiredCapacity=2)
    assert fleet.serving(2) == [item for item in before if item != before[gone]]


def test_a_report_within_the_grace_period_has_no_effect(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1, HealthCheckGracePeriod=600)
    (member,) = fleet.serving(1)
    fleet.scaling.set_instance_health(InstanceId=member, HealthStatus="Unhealthy")
    assert fleet.members()[0]["HealthStatus"] == "Healthy"
    fleet.scaling.set_instance_health(InstanceId=member, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    fleet.until(lambda: fleet.ids() not in ([], [member]))


def test_members_go_to_standby_and_come_back(fleet: Fleet) -> None:
    fleet.create()
    first, second = fleet.serving(2)
    fleet.scaling.enter_standby(**NAME, InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    assert fleet.waits("Standby") == first
    assert fleet.group()["DesiredCapacity"] == 1
    fleet.scaling.exit_standby(**NAME, InstanceIds=[first])
    assert fleet.serving(2) == [first, second]


def test_instances_are_detached_and_attached(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (member,) = fleet.serving(1)
    fleet.scaling.detach_instances(**NAME, InstanceIds=[member], ShouldDecrementDesiredCapacity=True)
    fleet.serving(0)
    assert fleet.cloud.emulator.compute.state(member) == "running"
    fleet.scaling.attach_instances(**NAME, InstanceIds=[member])
    assert fleet.serving(1) == [member]
    assert fleet.group()["DesiredCapacity"] == 1
