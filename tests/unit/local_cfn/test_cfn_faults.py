"""Failures: whatever call fails, nothing stays behind that one more delete does not remove."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

EVERY = pytest.param(1, marks=pytest.mark.slow)


@pytest.fixture
def medium(cluster: dict[str, Any]) -> dict[str, Any]:
    """The cluster's template without its instances and gateways: fast enough to fail at every call."""
    wanted = {
        "Vpc", "Gateway", "Attachment", "Public", "PublicRoutes", "PublicRoute", "PublicAssociation",
        "WorkerSecurity", "WorkerToWorker", "Bucket", "Role", "Profile", "Placement", "Template", "Key",
    }  # fmt: skip
    resources = {name: item for name, item in cluster["Resources"].items() if name in wanted}
    del cluster["Outputs"]
    return {**cluster, "Resources": resources}


@pytest.fixture(autouse=True)
def nothing_left(account: Any) -> Iterator[None]:
    """Every test of this module leaves the account as it found it."""
    before = account.sweep()
    yield
    account.emulator.faults.clear()
    assert account.sweep() == before


def calls_of(account: Any, since: int) -> list[str]:
    records = list(account.emulator.calls)[since:]
    return [record.action for record in records if record.origin == "cloudformation"]


@pytest.mark.parametrize("step", [4, EVERY])
def test_a_fault_at_every_call_of_a_create_rolls_back_to_nothing(
    account: Any, medium: dict[str, Any], step: int
) -> None:
    since, before = len(account.emulator.calls), account.sweep()
    stack = account.create("medium", medium)
    assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
    calls = calls_of(account, since)
    account.delete(stack["StackId"])
    assert len(calls) > 25
    outcomes = []
    for nth in range(2, len(calls) + 1, step):  # the first call looks the image up: CreateStack itself refuses then
        account.fail("InternalError", origin="cloudformation", nth=nth, status=500)
        stack_id = account.begin("medium", medium)
        status = account.settled(stack_id)["StackStatus"]
        account.emulator.faults.clear()
        outcomes.append(status)
        assert status == "ROLLBACK_COMPLETE", (nth, account.reasons(stack_id))
        assert account.sweep() == before, nth
        account.delete(stack_id)
    assert len(outcomes) == len(range(2, len(calls) + 1, step))


@pytest.mark.parametrize("step", [5, EVERY])
def test_a_fault_at_every_call_of_a_delete_leaves_a_stack_that_a_second_delete_removes(
    account: Any, medium: dict[str, Any], step: int
) -> None:
    stack = account.create("medium", medium)
    since = len(account.emulator.calls)
    account.delete(stack["StackId"])
    for nth in range(1, len(calls_of(account, since)) + 1, step):
        stack = account.create("medium", medium)
        account.fail("InternalError", origin="cloudformation", nth=nth, status=500)
        stack = account.delete(stack["StackId"])
        account.emulator.faults.clear()
        assert stack["StackStatus"] == "DELETE_FAILED", nth
        failed = [name for name in account.reasons(stack["StackId"]) if name != "medium"]
        assert stack["StackStatusReason"].startswith("The following resource(s) failed to delete: [")
        assert failed[0] in stack["StackStatusReason"]
        assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    "action",
    [
        "UpdateAutoScalingGroup",
        pytest.param("CreateLaunchTemplateVersion", marks=pytest.mark.slow),
        pytest.param("ModifyInstanceAttribute", marks=pytest.mark.slow),
    ],
)
def test_a_fault_in_an_update_rolls_back_to_the_old_template(
    account: Any, cluster: dict[str, Any], action: str
) -> None:
    stack = account.create("updated", cluster)
    before, ids = account.sweep(), account.resources(stack["StackId"])
    resources = cluster["Resources"]
    resources["Head"]["Properties"]["SourceDestCheck"] = False
    resources["Template"]["Properties"]["LaunchTemplateData"]["InstanceType"] = "m5.xlarge"
    resources["Extra"] = {"Type": "AWS::S3::Bucket"}
    account.fail("InternalError", origin="cloudformation", action=action, status=500)
    stack = account.update("updated", cluster)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.resources(stack["StackId"]) == ids
    assert account.sweep() == before
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.slow
def test_a_fault_at_every_call_of_an_update_ends_in_the_old_state_or_the_new(
    account: Any, medium: dict[str, Any]
) -> None:
    empty = account.sweep()
    changed = copy.deepcopy(medium)
    resources = changed["Resources"]
    resources["Template"]["Properties"]["LaunchTemplateData"]["InstanceType"] = "c5.large"
    resources["Placement"]["Properties"]["Strategy"] = "spread"
    resources["PublicRoute"]["Properties"]["DestinationCidrBlock"] = "10.99.0.0/16"
    resources["WorkerSecurity"]["Properties"]["GroupDescription"] = "others"
    resources["Role"]["Properties"]["Policies"][0]["PolicyName"] = "other"
    resources["Bucket"]["Properties"]["VersioningConfiguration"]["Status"] = "Suspended"
    resources["Public"]["Properties"]["MapPublicIpOnLaunch"] = False
    resources["Extra"] = {"Type": "AWS::S3::Bucket", "DependsOn": ["Template", "Role"]}
    del resources["Key"], resources["Template"]["Properties"]["LaunchTemplateData"]["KeyName"]
    nth, struck = 0, True
    while struck:
        nth += 1
        stack = account.create("nth", medium)
        before, ids = account.sweep(), account.resources(stack["StackId"])
        fault = account.fail("InternalError", origin="cloudformation", nth=nth, status=500)
        try:
            status = account.update("nth", changed)["StackStatus"]
        except ClientError:
            status = "refused"
        struck = fault.seen >= nth
        account.emulator.faults.clear()
        if status in ("UPDATE_ROLLBACK_COMPLETE", "refused"):
            assert (account.sweep(), account.resources(stack["StackId"])) == (before, ids), nth
        else:
            assert status == "UPDATE_COMPLETE", (nth, account.reasons(stack["StackId"]))
        assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE", nth
        assert account.sweep() == empty, nth
    assert nth > 15


def test_a_failed_rollback_of_an_update_can_be_continued(account: Any, network: dict[str, Any]) -> None:
    network["Resources"]["Note"] = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Type": "String", "Value": "old"},
    }
    stack = account.create("stuck", network)
    network["Resources"]["Note"]["Properties"]["Value"] = "new"
    network["Resources"]["Late"] = {"Type": "AWS::S3::Bucket", "DependsOn": "Note"}
    account.fail("TooManyBuckets", action="CreateBucket")
    account.fail("InternalError", action="PutParameter", origin="cloudformation", nth=2, status=500)
    stack = account.update("stuck", network)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    account.cf.continue_update_rollback(StackName="stuck")
    assert account.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    note = account.resources(stack["StackId"])["Note"]
    assert account.client("ssm").get_parameter(Name=note)["Parameter"]["Value"] == "old"
    account.delete(stack["StackId"])


def test_a_failed_update_that_was_left_as_it_is_can_be_repaired(account: Any, network: dict[str, Any]) -> None:
    network["Resources"]["Note"] = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Type": "String", "Value": "old"},
    }
    stack = account.create("repair", network)
    network["Resources"]["Note"]["Properties"]["Value"] = "new"
    network["Resources"]["Bucket"] = {"Type": "AWS::S3::Bucket", "DependsOn": "Subnet"}
    network["Resources"]["Subnet"]["Properties"]["CidrBlock"] = "10.9.2.0/24"
    account.fail("InternalError", action="PutParameter", origin="cloudformation", status=500)
    account.fail("InvalidSubnet.Conflict", action="CreateSubnet")
    assert account.update("repair", network, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    account.emulator.faults.clear()
    assert account.update("repair", network)["StackStatus"] == "UPDATE_COMPLETE"
    ids = account.resources(stack["StackId"])
    assert account.client("ssm").get_parameter(Name=ids["Note"])["Parameter"]["Value"] == "new"
    subnets = account.client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [ids["Vpc"]]}])["Subnets"]
    assert [(row["SubnetId"], row["CidrBlock"]) for row in subnets] == [(ids["Subnet"], "10.9.2.0/24")]
    account.delete(stack["StackId"])


def test_a_failed_creation_that_was_left_as_it_is_can_be_completed(account: Any, network: dict[str, Any]) -> None:
    account.fail("InvalidSubnet.Conflict", action="CreateSubnet")
    stack = account.create("repair", network, DisableRollback=True)
    assert stack["StackStatus"] == "CREATE_FAILED"
    network["Resources"]["Subnet"]["Properties"]["CidrBlock"] = "10.9.2.0/24"
    assert account.update("repair", network)["StackStatus"] == "UPDATE_COMPLETE"
    assert account.resources(stack["StackId"])["Subnet"].startswith("subnet-")
    account.delete(stack["StackId"])


def test_no_capacity_fails_the_group_with_its_activity_and_rolls_back(account: Any, cluster: dict[str, Any]) -> None:
    message = "We currently do not have sufficient m5.large capacity."
    account.fail(
        "InsufficientInstanceCapacity", message=message, status=500, origin="autoscaling", action="RunInstances",
        times=None,
    )  # fmt: skip
    stack = account.create("empty", cluster)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = account.reasons(stack["StackId"])["Workers"]
    assert reason.startswith("Group did not stabilize.")
    assert message in reason
    account.delete(stack["StackId"])


def test_the_first_failure_cancels_what_still_waits(account: Any) -> None:
    template = {
        "Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Waits": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": 600},
            },
            "Bad": {"Type": "AWS::S3::Bucket", "DependsOn": "Handle", "Properties": {"BucketName": "taken"}},
        }
    }
    account.client("s3").create_bucket(Bucket="other")
    account.fail("BucketAlreadyExists", action="CreateBucket")
    stack = account.create("cancels", template)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = account.reasons(stack["StackId"])
    assert reasons["Waits"] == "Resource creation cancelled"
    assert "HandlerErrorCode: AlreadyExists" in reasons["Bad"]
    account.client("s3").delete_bucket(Bucket="other")
    account.delete(stack["StackId"])


@pytest.mark.parametrize(
    ("options", "status", "left"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", True),
        ({"DisableRollback": True}, "CREATE_FAILED", True),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", False),
        ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE", False),
    ],
)
def test_the_caller_chooses_what_a_failure_does(
    account: Any, network: dict[str, Any], options: dict[str, Any], status: str, left: bool
) -> None:
    before = account.sweep()
    account.fail("InvalidSubnet.Conflict", action="CreateSubnet")
    stack = account.create("choice", network, **options)
    assert stack["StackStatus"] == status
    assert (account.sweep() != before) is left
    account.delete(stack["StackId"])


def test_a_property_that_aws_does_not_know_fails_its_resource(account: Any, network: dict[str, Any]) -> None:
    network["Resources"]["Subnet"]["Properties"]["CidrBlok"] = "10.9.1.0/24"
    stack = account.create("typo", network)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = account.reasons(stack["StackId"])["Subnet"]
    assert reason == (
        "Properties validation failed for resource Subnet with message:\n#: extraneous key [CidrBlok] is not permitted"
    )
    account.delete(stack["StackId"])


def test_an_update_to_a_property_that_aws_does_not_know_rolls_back(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("typo", network)
    network["Resources"]["Vpc"]["Properties"]["EnableDnsHostname"] = True
    stack = account.update("typo", network)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "extraneous key [EnableDnsHostname]" in account.reasons(stack["StackId"])["Vpc"]
    account.delete(stack["StackId"])


def test_an_unknown_nested_property_and_a_missing_one_are_found_too(account: Any) -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"LifecycleConfiguration": {"Rules": [{"ExpirationDays": 3}]}},
    }
    stack = account.create("typo", {"Resources": {"Bucket": bucket}})
    reason = account.reasons(stack["StackId"])["Bucket"]
    assert "#/LifecycleConfiguration/Rules/0: extraneous key [ExpirationDays] is not permitted" in reason
    assert "#/LifecycleConfiguration/Rules/0: required key [Status] not found" in reason
    account.delete(stack["StackId"])


def test_user_data_over_16_kilobytes_is_refused(account: Any) -> None:
    data = {"Fn::Base64": "x" * 16_385}
    template = {
        "Resources": {
            "Template": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {"LaunchTemplateData": {"UserData": data}},
            }
        }
    }
    stack = account.create("long", template)
    assert account.reasons(stack["StackId"])["Template"] == "User data is limited to 16384 bytes"
    account.delete(stack["StackId"])
