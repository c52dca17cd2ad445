"""Auto Scaling groups through boto3, with instances that run once their node is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.calls import Fault

IMAGE = "ami-12c6146b"
CAPACITY = "We currently do not have sufficient p5.48xlarge capacity in the Availability Zone you requested."


class Fleet:
    """One group at a time in one VPC."""

    def __init__(self, cloud: Any, wait_until: Callable[..., Any]) -> None:
        self.cloud = cloud
        self.until = wait_until
        self.scaling = cloud.client("autoscaling")
        self.ec2 = cloud.client("ec2")
        self.vpc, self.subnet, self.security = cloud.network()
        self.other_subnet = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock="127.1.2.0/24", AvailabilityZone="us-east-1b"
        )["Subnet"]["SubnetId"]
        self.template = self.ec2.create_launch_template(
            LaunchTemplateName="workers",
            LaunchTemplateData={
                "ImageId": IMAGE,
                "InstanceType": "c5.large",
                "SecurityGroupIds": [self.security],
                "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "worker"}]}],
            },
        )["LaunchTemplate"]["LaunchTemplateId"]

    def create(self, **changes: Any) -> None:
        request = {
            "AutoScalingGroupName": "workers",
            "LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "$Latest"},
            "MinSize": 0,
            "MaxSize": 8,
            "DesiredCapacity": 2,
            "VPCZoneIdentifier": self.subnet,
            **changes,
        }
        self.scaling.create_auto_scaling_group(**request)

    def describe(self) -> dict[str, Any] | None:
        groups = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["workers"])["AutoScalingGroups"]
        return groups[0] if groups else None

    def members(self, state: str = "InService") -> list[str]:
        group = self.describe() or {"Instances": []}
        return [item["InstanceId"] for item in group["Instances"] if item["LifecycleState"] == state]

    def in_service(self, count: int, *, without: tuple[str, ...] = ()) -> list[str]:
        """Wait until exactly `count` members (none of `without`) are in service and no other is left."""

        def probe() -> list[str] | None:
            self.cloud.settle()
            group = self.describe()
            members = self.members()
            settled = group is not None and len(group["Instances"]) == len(members) == count
            return members if settled and not set(without) & set(members) else None

        found: list[str] = self.until(probe)
        return found

    def activities(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.scaling.describe_scaling_activities(AutoScalingGroupName="workers")[
            "Activities"
        ]
        return rows

    def clear(self) -> None:
        self.cloud.emulator.faults.clear()
        if self.describe():
            self.scaling.delete_auto_scaling_group(AutoScalingGroupName="workers", ForceDelete=True)
        self.until(lambda: self.describe() is None)


@pytest.fixture(scope="module")
def workshop(node_cloud: Any, wait_until: Callable[..., Any]) -> Fleet:
    return Fleet(node_cloud, wait_until)


@pytest.fixture
def fleet(workshop: Fleet) -> Iterator[Fleet]:
    yield workshop
    workshop.clear()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_members_are_pending_until_their_nodes_are_up(fleet: Fleet) -> None:
    fleet.create()
    pending = fleet.until(lambda: len(fleet.members("Pending")) == 2 and fleet.members("Pending"))
    fleet.cloud.emulator.compute.set_state(pending[0], "running")
    fleet.until(lambda: fleet.members("InService") == [pending[0]])
    assert fleet.members("Pending") == [pending[1]]


def test_two_nodes_are_launched_by_one_call(fleet: Fleet) -> None:
    fleet.cloud.emulator.calls.clear()
    fleet.create()
    fleet.in_service(2)
    launches = [call for call in fleet.cloud.emulator.calls if call.action == "RunInstances"]
    assert [call.origin for call in launches] == ["autoscaling"]


def test_nodes_carry_the_tags_of_the_template_and_of_the_group(fleet: Fleet) -> None:
    tags = [
        {"Key": "cluster", "Value": "c1", "PropagateAtLaunch": True},
        {"Key": "private", "Value": "x", "PropagateAtLaunch": False},
    ]
    fleet.create(DesiredCapacity=1, Tags=tags)
    instance = fleet.ec2.describe_instances(InstanceIds=fleet.in_service(1))["Reservations"][0]["Instances"][0]
    found = {tag["Key"]: tag["Value"] for tag in instance["Tags"] if not tag["Key"].startswith("aws:ec2")}
    assert found == {"role": "worker", "cluster": "c1", "aws:autoscaling:groupName": "workers"}
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [fleet.security]


def test_scaling_out_keeps_the_members(fleet: Fleet) -> None:
    fleet.create()
    before = fleet.in_service(2)
    fleet.scaling.update_auto_scaling_group(AutoScalingGroupName="workers", DesiredCapacity=4)
    assert fleet.in_service(4)[:2] == before


def test_scaling_in_takes_the_newest_and_spares_the_protected(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    oldest = fleet.in_service(1)
    fleet.scaling.set_desired_capacity(AutoScalingGroupName="workers", DesiredCapacity=3)
    newest = fleet.in_service(3)[2]
    fleet.scaling.set_instance_protection(
        AutoScalingGroupName="workers", InstanceIds=[newest], ProtectedFromScaleIn=True
    )
    fleet.scaling.set_desired_capacity(AutoScalingGroupName="workers", DesiredCapacity=2)
    assert fleet.in_service(2) == [*oldest, newest]


def test_no_capacity_is_recorded_and_tried_again(fleet: Fleet) -> None:
    fault = Fault("InsufficientInstanceCapacity", CAPACITY, 500, "ec2", "RunInstances", "autoscaling", times=2)
    fleet.cloud.emulator.faults.add(fault)
    fleet.create()
    fleet.in_service(2)
    rows = fleet.activities()
    assert [row["StatusCode"] for row in rows] == ["Successful", "Successful", "Failed", "Failed"]
    assert rows[0]["Description"].startswith("Launching a new EC2 instance: i-")
    assert rows[2]["StatusMessage"] == f"{CAPACITY[:-1]}. Launching EC2 instance failed."
    assert "increasing the capacity from 0 to 2." in rows[0]["Cause"]


def test_a_terminated_member_is_replaced_and_the_other_kept(fleet: Fleet) -> None:
    fleet.create()
    lost, kept = fleet.in_service(2)
    fleet.ec2.terminate_instances(InstanceIds=[lost])
    assert fleet.in_service(2, without=(lost,))[0] == kept
    descriptions = [row["Description"] for row in fleet.activities()]
    assert f"Terminating EC2 instance: {lost}" in descriptions


@pytest.mark.parametrize("event", ["health", "stopped", "crash"])
def test_an_unhealthy_member_is_terminated_and_replaced(fleet: Fleet, event: str) -> None:
    fleet.create(DesiredCapacity=1)
    (lost,) = fleet.in_service(1)
    if event == "health":
        fleet.scaling.set_instance_health(InstanceId=lost, HealthStatus="Unhealthy")
    elif event == "stopped":
        fleet.ec2.stop_instances(InstanceIds=[lost])
    else:
        fleet.cloud.emulator.compute.set_state(lost, "terminated", "Server.InternalError: the node died")
    fleet.in_service(1, without=(lost,))
    states = [item.state for item in fleet.cloud.emulator.compute.instances() if item.id == lost]
    assert states == ["terminated"]


def test_suspended_processes_do_nothing_until_they_are_resumed(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (lost,) = fleet.in_service(1)
    fleet.scaling.suspend_processes(AutoScalingGroupName="workers", ScalingProcesses=["Launch"])
    fleet.ec2.terminate_instances(InstanceIds=[lost])
    fleet.until(lambda: not (fleet.describe() or {})["Instances"])
    assert [item["ProcessName"] for item in (fleet.describe() or {})["SuspendedProcesses"]] == ["Launch"]
    fleet.scaling.resume_processes(AutoScalingGroupName="workers")
    fleet.in_service(1)


def test_terminating_a_member_may_lower_the_capacity(fleet: Fleet) -> None:
    fleet.create()
    lost, kept = fleet.in_service(2)
    answer = fleet.scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=lost, ShouldDecrementDesiredCapacity=True
    )
    assert answer["Activity"]["StatusCode"] == "InProgress"
    assert fleet.in_service(1) == [kept]


def test_a_new_template_version_serves_new_members_only(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    fleet.in_service(1)
    fleet.ec2.create_launch_template_version(
        LaunchTemplateId=fleet.template,
        SourceVersion="1",
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "c5.xlarge"},
    )
    fleet.scaling.set_desired_capacity(AutoScalingGroupName="workers", DesiredCapacity=2)
    fleet.in_service(2)
    members = (fleet.describe() or {})["Instances"]
    assert [item["InstanceType"] for item in members] == ["c5.large", "c5.xlarge"]
    assert [item["LaunchTemplate"]["Version"] for item in members] == ["1", "2"]


def test_members_are_spread_over_the_subnets(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=4, VPCZoneIdentifier=f"{fleet.subnet},{fleet.other_subnet}")
    found = fleet.ec2.describe_instances(InstanceIds=fleet.in_service(4))["Reservations"]
    subnets = sorted(item["SubnetId"] for row in found for item in row["Instances"])
    assert subnets == sorted([fleet.subnet, fleet.other_subnet] * 2)


def test_a_group_with_members_is_deleted_by_force_only(fleet: Fleet) -> None:
    fleet.create()
    members = fleet.in_service(2)
    with pytest.raises(ClientError) as error:
        fleet.scaling.delete_auto_scaling_group(AutoScalingGroupName="workers")
    assert code(error) == "ResourceInUse"
    fleet.clear()
    states = {item.id: item.state for item in fleet.cloud.emulator.compute.instances()}
    assert [states[member] for member in members] == ["terminated", "terminated"]
    assert fleet.scaling.describe_scaling_activities(AutoScalingGroupName="workers", IncludeDeletedGroups=True)[
        "Activities"
    ]


def test_a_placement_group_is_used_and_held(fleet: Fleet) -> None:
    fleet.ec2.create_placement_group(GroupName="close", Strategy="cluster")
    fleet.create(DesiredCapacity=1, PlacementGroup="close")
    found = fleet.ec2.describe_instances(InstanceIds=fleet.in_service(1))["Reservations"][0]["Instances"][0]
    assert found["Placement"]["GroupName"] == "close"
    with pytest.raises(ClientError) as error:
        fleet.ec2.delete_placement_group(GroupName="close")
    assert code(error) == "InvalidPlacementGroup.InUse"
    fleet.clear()
    fleet.ec2.delete_placement_group(GroupName="close")


def test_tags_are_written_listed_and_removed(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0, Tags=[{"Key": "a", "Value": "1", "PropagateAtLaunch": True}])
    tag = {"ResourceId": "workers", "ResourceType": "auto-scaling-group", "Key": "b", "Value": "2"}
    fleet.scaling.create_or_update_tags(Tags=[{**tag, "PropagateAtLaunch": False}])
    fleet.scaling.delete_tags(Tags=[{"ResourceId": "workers", "ResourceType": "auto-scaling-group", "Key": "a"}])
    tags = fleet.scaling.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["workers"]}])["Tags"]
    assert tags == [{**tag, "PropagateAtLaunch": False}]
    by_tag = fleet.scaling.describe_auto_scaling_groups(Filters=[{"Name": "tag:b", "Values": ["2"]}])
    assert [group["AutoScalingGroupName"] for group in by_tag["AutoScalingGroups"]] == ["workers"]


def test_groups_and_activities_are_paged(fleet: Fleet) -> None:
    names = [f"empty-{number}" for number in range(3)]
    for name in names:
        fleet.create(AutoScalingGroupName=name, DesiredCapacity=0)
    pages = fleet.scaling.get_paginator("describe_auto_scaling_groups").paginate(
        PaginationConfig={"PageSize": 2}, AutoScalingGroupNames=names
    )
    found = [[group["AutoScalingGroupName"] for group in page["AutoScalingGroups"]] for page in pages]
    for name in names:
        fleet.scaling.delete_auto_scaling_group(AutoScalingGroupName=name)
    assert found == [names[:2], names[2:]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MinSize": 3, "MaxSize": 2}, "Max bound, 2"),
        ({"DesiredCapacity": 9}, "Desired capacity:9 must be between"),
        ({"VPCZoneIdentifier": "subnet-0000000000"}, "does not exist"),
        ({"VPCZoneIdentifier": " "}, "At least one Availability Zone or VPC Subnet"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-0000000000", "Version": "1"}}, "lt-0000000000"),
        ({"MaxInstanceLifetime": 86400}, "Not emulated: MaxInstanceLifetime"),
    ],
)
def test_what_cannot_work_is_refused(fleet: Fleet, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError) as error:
        fleet.create(**changes)
    assert code(error) == "ValidationError"
    assert words in str(error.value)


def test_a_second_group_of_the_name_and_an_unknown_one_are_refused(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=0)
    with pytest.raises(ClientError) as twice:
        fleet.create(DesiredCapacity=0)
    with pytest.raises(ClientError) as unknown:
        fleet.scaling.set_desired_capacity(AutoScalingGroupName="nobody", DesiredCapacity=1)
    assert (code(twice), code(unknown)) == ("AlreadyExists", "ValidationError")
