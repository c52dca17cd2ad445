"""UpdatePolicy: a new launch template version rolls through the group, node by node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def group(kind: str, *, size: int = 3, **policy: Any) -> dict[str, Any]:
    data = {"ImageId": f"{{{{resolve:ssm:{IMAGE}}}}}", "InstanceType": kind}
    return {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"}},
            "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}},
            "Nodes": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "UpdatePolicy": policy,
                "Properties": {
                    "MinSize": "1",
                    "MaxSize": "4",
                    "DesiredCapacity": str(size),
                    "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                    "LaunchTemplate": {
                        "LaunchTemplateId": {"Ref": "Template"},
                        "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                    },
                },
            },
        },
        "Outputs": {"Nodes": {"Value": {"Ref": "Nodes"}}},
    }


def members(account: Any) -> list[dict[str, Any]]:
    (found,) = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return list(found["Instances"])


def told(account: Any, stack_id: str) -> list[str]:
    """What the events of the group say, oldest first."""
    rows = account.cf.describe_stack_events(StackName=stack_id)["StackEvents"]
    return [row.get("ResourceStatusReason") or "" for row in reversed(rows) if row["LogicalResourceId"] == "Nodes"]


@contextmanager
def signalling(account: Any, stack_id: str, *statuses: str) -> Iterator[None]:
    """Every new node signals, the first ones with these statuses, the others SUCCESS."""
    known, left, end = {item["InstanceId"] for item in members(account)}, list(statuses), threading.Event()

    def run() -> None:
        while not end.wait(0.02):
            for item in members(account):
                if item["InstanceId"] not in known and item["LifecycleState"] == "InService":
                    known.add(item["InstanceId"])
                    account.cf.signal_resource(
                        StackName=stack_id,
                        LogicalResourceId="Nodes",
                        UniqueId=item["InstanceId"],
                        Status=left.pop(0) if left else "SUCCESS",
                    )

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_new_template_version_replaces_one_node_after_the_other(account: Any) -> None:
    rolling = {"AutoScalingRollingUpdate": {"MaxBatchSize": 1, "MinInstancesInService": 2}}
    stack_id = account.create("rolls", group("c5.large", **rolling))["StackId"]
    before = {item["InstanceId"] for item in members(account)}
    assert account.update("rolls", group("c5.xlarge", **rolling))["StackStatus"] == "UPDATE_COMPLETE"
    after = members(account)
    assert [item["InstanceType"] for item in after] == ["c5.xlarge"] * 3
    assert not {item["InstanceId"] for item in after} & before
    lines = told(account, stack_id)
    assert (
        "Rolling update initiated. Terminating 3 obsolete instance(s) in batches of 1, while keeping at least 2 "
        "instance(s) in service." in lines
    )
    steps = [line for line in lines if line.startswith("Terminating instance(s)")]
    assert len(steps) == 3
    assert all(line.endswith("]; replacing with 1 new instance(s).") and "," not in line for line in steps)
    assert [line.rpartition("(")[2] for line in lines if line.startswith("Successfully terminated")] == [
        "Progress 33%).",
        "Progress 66%).",
        "Progress 100%).",
    ]
    account.delete(stack_id)


def test_new_nodes_come_first_when_none_may_be_missing(account: Any) -> None:
    rolling = {"AutoScalingRollingUpdate": {"MinInstancesInService": 2}}
    stack_id = account.create("full", group("c5.large", size=2, **rolling))["StackId"]
    account.update("full", group("c5.xlarge", size=2, **rolling))
    assert "Temporarily setting autoscaling group MinSize and DesiredCapacity to 3." in told(account, stack_id)
    found = account.until(lambda: len(members(account)) == 2 and members(account))
    assert [item["InstanceType"] for item in found] == ["c5.xlarge"] * 2
    account.delete(stack_id)


def test_without_an_update_policy_the_old_nodes_stay(account: Any) -> None:
    stack_id = account.create("stays", group("c5.large", size=1))["StackId"]
    before = members(account)
    account.update("stays", group("c5.xlarge", size=1))
    assert members(account) == before
    account.delete(stack_id)


def test_each_batch_waits_for_the_signals_of_its_nodes(account: Any) -> None:
    rolling = {"AutoScalingRollingUpdate": {"WaitOnResourceSignals": True, "PauseTime": "PT20S"}}
    stack_id = account.create("signals", group("c5.large", size=2, **rolling))["StackId"]
    with signalling(account, stack_id):
        stack = account.update("signals", group("c5.xlarge", size=2, **rolling))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    for item in members(account):
        assert f"Received SUCCESS signal with UniqueId {item['InstanceId']}" in told(account, stack_id)
    account.delete(stack_id)


def test_a_node_that_signals_failure_takes_the_whole_group_back(account: Any) -> None:
    rolling = {"AutoScalingRollingUpdate": {"WaitOnResourceSignals": "true", "PauseTime": "PT20S"}}
    stack_id = account.create("fails", group("c5.large", size=2, **rolling))["StackId"]
    with signalling(account, stack_id, "FAILURE"):
        stack = account.update("fails", group("c5.xlarge", size=2, **rolling))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = "Received 1 FAILURE signal(s) out of 2. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
    assert reason in told(account, stack_id)
    assert [item["InstanceType"] for item in members(account)] == ["c5.large"] * 2
    account.delete(stack_id)


def test_sizes_that_the_template_leaves_alone_stay_as_they_were_set(account: Any) -> None:
    kept = {"AutoScalingScheduledAction": {"IgnoreUnmodifiedGroupSizeProperties": True}}
    stack = account.create("sizes", group("c5.large", size=1, **kept))
    name = stack["Outputs"][0]["OutputValue"]
    account.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)
    account.update("sizes", group("c5.xlarge", size=1, **kept))
    account.until(lambda: len(members(account)) == 2)
    account.delete(stack["StackId"])


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"AutoScalingReplacingUpdate": {"WillReplace": True}}, "AutoScalingReplacingUpdate is not supported"),
        ({"AutoScalingRollingUpdate": {"MinActiveInstancesPercent": 50}}, "does not support MinActiveInstancesPercent"),
    ],
)
def test_policies_that_are_not_followed_are_refused(account: Any, policy: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        account.begin("refused", group("c5.large", **policy))
