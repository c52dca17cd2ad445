"""An account that is written down and read back: the same ids, the same contents, and it goes on working."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from dlcluster.local.aws import snapshot
from dlcluster.local.aws.front import Emulator, serve

NODES = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "127.1.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "127.1.1.0/24", "AvailabilityZone": "us-east-1a"},
        },
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"ImageId": "ami-12c6146b", "InstanceType": "c5.large"}},
        },
        "Nodes": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "2",
                "MaxSize": "2",
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
        "Bucket": {"Type": "AWS::S3::Bucket"},
    },
    "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}}},
}
WAITS = {
    "Resources": {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "600"},
        },
    }
}


class Life:
    """An emulator in this process; `restart` ends it and begins the next one with what was written down."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self, data: bytes = b"") -> None:
        self.emulator = Emulator()
        if data:
            snapshot.load(self.emulator, data)
        self.server = serve(self.emulator)

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "user", "aws_secret_access_key": "secret"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.server.endpoint, **keys)

    def end(self) -> None:
        self.emulator.close()
        self.server.close()

    def restart(self, *, wait: bool = True) -> None:
        data = snapshot.dump(self.emulator, wait=wait)
        self.end()
        self._begin(data)

    def status(self, stack: str) -> str:
        return str(self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    def seen(self) -> dict[str, Any]:
        """What a user can list."""
        ec2, scaling = self.client("ec2"), self.client("autoscaling")
        answers = [
            ec2.describe_vpcs(),
            ec2.describe_subnets(),
            ec2.describe_instances(),
            ec2.describe_launch_templates(),
            ec2.describe_placement_groups(),
            ec2.describe_key_pairs(),
            scaling.describe_auto_scaling_groups(),
            scaling.describe_scaling_activities(),
            self.client("cloudformation").describe_stacks(),
            self.client("ssm").describe_parameters(),
            self.client("iam").list_roles(),
        ]
        return {key: value for item in answers for key, value in item.items() if key != "ResponseMetadata"}


@pytest.fixture
def life() -> Iterator[Life]:
    life = Life()
    yield life
    life.end()


def create(life: Life, template: dict[str, Any], until: Callable[..., Any], status: str = "CREATE_COMPLETE") -> str:
    formation = life.client("cloudformation")
    stack = str(formation.create_stack(StackName="s", TemplateBody=json.dumps(template))["StackId"])
    until(lambda: life.status(stack) == status)
    return stack


def test_everything_is_there_again_and_the_group_and_the_stack_go_on(
    life: Life, wait_until: Callable[..., Any]
) -> None:
    stack = create(life, NODES, wait_until)
    (output,) = life.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    life.client("s3").put_object(Bucket=output["OutputValue"], Key="bundle", Body=b"x" * 3_000_000)
    life.client("ec2").create_placement_group(GroupName="close", Strategy="cluster")
    life.client("ec2").create_key_pair(KeyName="k")
    life.client("ssm").put_parameter(Name="/secret", Value="v", Type="SecureString")
    life.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    queue = life.client("sqs").create_queue(QueueName="q")["QueueUrl"].rpartition("/")[2]
    before = life.seen()

    life.restart()
    assert life.seen() == before
    stored = life.client("s3").get_object(Bucket=output["OutputValue"], Key="bundle")["Body"].read()
    assert stored == b"x" * 3_000_000
    secret = life.client("ssm").get_parameter(Name="/secret", WithDecryption=True)["Parameter"]["Value"]
    assert secret == "v"
    assert life.client("sqs").list_queues()["QueueUrls"][0].endswith(queue)

    lost = before["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    life.client("ec2").terminate_instances(InstanceIds=[lost])

    def replaced() -> bool:
        members = life.client("autoscaling").describe_auto_scaling_instances()["AutoScalingInstances"]
        return lost not in [item["InstanceId"] for item in members] and len(members) == 2

    wait_until(replaced)
    life.client("s3").delete_object(Bucket=output["OutputValue"], Key="bundle")
    life.client("cloudformation").delete_stack(StackName=stack)
    wait_until(lambda: life.status(stack) == "DELETE_COMPLETE")
    assert [item for item in life.seen()["Vpcs"] if not item["IsDefault"]] == []


def test_a_running_operation_is_waited_for_or_said_to_have_broken_off(
    life: Life, wait_until: Callable[..., Any]
) -> None:
    stack = create(life, WAITS, wait_until, "CREATE_IN_PROGRESS")
    with pytest.raises(snapshot.Busy, match="operations run on the stacks s"):
        snapshot.dump(life.emulator)
    life.restart(wait=False)
    formation = life.client("cloudformation")
    assert formation.describe_stacks()["Stacks"][0]["StackStatus"] == "CREATE_FAILED"
    reasons = [
        row.get("ResourceStatusReason") for row in formation.describe_stack_events(StackName=stack)["StackEvents"]
    ]
    assert reasons[0] == "The embedded cloud was stopped during this operation"
    formation.delete_stack(StackName="s")
    wait_until(lambda: life.status(stack) == "DELETE_COMPLETE")


def test_a_lock_that_does_not_come_is_no_deadlock(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_PATIENCE", 0.05)
    with ThreadPoolExecutor(1) as other, life.emulator.backend.lock, pytest.raises(snapshot.Busy):
        other.submit(snapshot.dump, life.emulator).result(10)
    assert snapshot.dump(life.emulator)


def test_an_instance_waits_for_its_node_again_after_a_restart() -> None:
    first = Emulator(nodes=True)
    server = serve(first)
    keys = {"aws_access_key_id": "user", "aws_secret_access_key": "secret"}
    ec2: Any = boto3.client("ec2", region_name="us-east-1", endpoint_url=server.endpoint, **keys)
    made = ec2.run_instances(ImageId="ami-12c6146b", InstanceType="t3.micro", MinCount=2, MaxCount=2)["Instances"]
    for item in made:
        first.compute.set_state(item["InstanceId"], "running")
    ec2.stop_instances(InstanceIds=[made[1]["InstanceId"]])
    data = snapshot.dump(first)
    before = first.compute.instances()
    first.close()
    server.close()
    second = Emulator(nodes=True)
    snapshot.load(second, data)
    after = second.compute.instances()
    assert [(item.id, item.private_ip, item.launch_time) for item in after] == [
        (item.id, item.private_ip, item.launch_time) for item in before
    ]
    assert [item.state for item in after] == ["pending", "stopped"]
