"""Change sets: what they say, that they do nothing, and that they are executed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def propose(account: Any, stack: str, template: Any, **options: Any) -> dict[str, Any]:
    """A change set as DescribeChangeSet shows it."""
    options.setdefault("ChangeSetName", "proposal")
    options.setdefault("Capabilities", ["CAPABILITY_IAM"])
    answer = account.cf.create_change_set(StackName=stack, TemplateBody=json.dumps(template), **options)
    described: dict[str, Any] = account.cf.describe_change_set(ChangeSetName=answer["Id"], IncludePropertyValues=True)
    return described


def changes(change_set: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["ResourceChange"]["LogicalResourceId"]: row["ResourceChange"] for row in change_set["Changes"]}


def instance(network: dict[str, Any]) -> dict[str, Any]:
    """The network with an instance by a launch template."""
    network["Parameters"] = {
        "Image": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        },
        "Kind": {"Type": "String", "Default": "t3.small"},
    }
    network["Resources"]["Template"] = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"ImageId": {"Ref": "Image"}, "InstanceType": {"Ref": "Kind"}}},
    }
    version = {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}
    network["Resources"]["Group"] = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": "0",
            "MaxSize": "1",
            "VPCZoneIdentifier": [{"Ref": "Subnet"}],
            "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": version},
        },
    }
    return network


def test_a_creation_is_reviewed_and_then_executed(account: Any, network: dict[str, Any]) -> None:
    before = account.sweep()
    change_set = propose(account, "reviewed", network, ChangeSetType="CREATE")
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert {name: row["Action"] for name, row in changes(change_set).items()} == {"Vpc": "Add", "Subnet": "Add"}
    stack = account.cf.describe_stacks(StackName="reviewed")["Stacks"][0]
    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert account.sweep() == before
    account.cf.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    stack = account.settled(stack["StackId"])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["ChangeSetId"] == change_set["ChangeSetId"]
    assert account.cf.list_change_sets(StackName="reviewed")["Summaries"] == []
    account.delete(stack["StackId"])
    assert account.sweep() == before


def test_a_stack_in_review_can_be_deleted(account: Any, network: dict[str, Any]) -> None:
    change_set = propose(account, "reviewed", network, ChangeSetType="CREATE")
    assert account.delete(change_set["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_replacement_is_told_from_the_provider_schemas(account: Any, network: dict[str, Any]) -> None:
    network = instance(network)
    stack = account.create("told", network)
    before = account.sweep()
    network["Resources"]["Vpc"]["Properties"]["CidrBlock"] = "10.10.0.0/16"
    network["Resources"]["Subnet"]["Properties"]["CidrBlock"] = "10.10.1.0/24"
    network["Resources"]["Extra"] = {"Type": "AWS::S3::Bucket"}
    network["Resources"]["Group"]["Properties"]["MaxSize"] = "2"
    rows = changes(propose(account, "told", network))
    assert {name: (row["Action"], row.get("Replacement")) for name, row in rows.items()} == {
        "Vpc": ("Modify", "True"),
        "Subnet": ("Modify", "True"),
        "Group": ("Modify", "Conditional"),
        "Extra": ("Add", None),
    }
    vpc = rows["Vpc"]["Details"][0]
    assert vpc["Target"]["RequiresRecreation"] == "Always"
    assert (vpc["Evaluation"], vpc["ChangeSource"]) == ("Static", "DirectModification")
    assert (vpc["Target"]["BeforeValue"], vpc["Target"]["AfterValue"]) == ("10.9.0.0/16", "10.10.0.0/16")
    causes = {(row["ChangeSource"], row.get("CausingEntity")) for row in rows["Subnet"]["Details"]}
    assert causes == {("DirectModification", None), ("ResourceReference", "Vpc")}
    known_later = [row for row in rows["Subnet"]["Details"] if row["ChangeSource"] == "ResourceReference"]
    assert known_later[0]["Target"]["AfterValue"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    assert account.sweep() == before
    account.delete(stack["StackId"])


def test_a_new_launch_template_version_modifies_its_group_without_replacing(
    account: Any, network: dict[str, Any]
) -> None:
    network = instance(network)
    stack = account.create("version", network)
    parameters = [{"ParameterKey": "Kind", "ParameterValue": "t3.large"}]
    rows = changes(propose(account, "version", network, Parameters=parameters))
    assert rows.keys() == {"Template", "Group"}
    assert rows["Template"]["Replacement"] == "False"
    detail = rows["Template"]["Details"][0]
    assert (detail["ChangeSource"], detail["CausingEntity"]) == ("ParameterReference", "Kind")
    detail = rows["Group"]["Details"][0]
    assert (detail["ChangeSource"], detail["CausingEntity"]) == ("ResourceAttribute", "Template.LatestVersionNumber")
    assert detail["Evaluation"] == "Dynamic"
    account.delete(stack["StackId"])


def test_removals_and_policies_are_told(account: Any, network: dict[str, Any]) -> None:
    network["Resources"]["Kept"] = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    network["Resources"]["Gone"] = {"Type": "AWS::S3::Bucket"}
    stack = account.create("removals", network)
    ids = account.resources(stack["StackId"])
    del network["Resources"]["Kept"], network["Resources"]["Gone"]
    change_set = propose(account, "removals", network)
    rows = changes(change_set)
    assert {name: (row["Action"], row["PolicyAction"]) for name, row in rows.items()} == {
        "Kept": ("Remove", "Retain"),
        "Gone": ("Remove", "Delete"),
    }
    account.cf.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert account.settled(stack["StackId"])["StackStatus"] == "UPDATE_COMPLETE"
    buckets = {row["Name"] for row in account.client("s3").list_buckets()["Buckets"]}
    assert ids["Kept"] in buckets
    assert ids["Gone"] not in buckets
    account.client("s3").delete_bucket(Bucket=ids["Kept"])
    account.delete(stack["StackId"])


def test_tags_alone_are_a_change(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("tags", network)
    rows = changes(propose(account, "tags", network, Tags=[{"Key": "a", "Value": "b"}]))
    assert {name: (row["Replacement"], row["Scope"]) for name, row in rows.items()} == {
        "Vpc": ("False", ["Tags"]),
        "Subnet": ("False", ["Tags"]),
    }
    account.delete(stack["StackId"])


def test_no_change_fails_and_cannot_be_executed(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("same", network)
    change_set = propose(account, "same", network)
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        account.cf.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    account.cf.delete_change_set(StackName="same", ChangeSetName="proposal")
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        account.cf.describe_change_set(StackName="same", ChangeSetName="proposal")
    account.delete(stack["StackId"])


def test_an_unknown_property_fails_the_change_set_before_anything_happens(
    account: Any, network: dict[str, Any]
) -> None:
    network["Resources"]["Vpc"]["Properties"]["Cidr"] = "10.0.0.0/8"
    change_set = propose(account, "typo", network, ChangeSetType="CREATE")
    assert change_set["Status"] == "FAILED"
    assert "#: extraneous key [Cidr] is not permitted" in change_set["StatusReason"]
    account.delete(change_set["StackId"])


def test_another_type_under_the_same_name_is_refused(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("types", network)
    network["Resources"]["Subnet"] = {"Type": "AWS::S3::Bucket"}
    with pytest.raises(ClientError, match=r"Update of resource type is not permitted.*\[Subnet\]"):
        account.update("types", network)
    account.delete(stack["StackId"])


def test_change_sets_need_their_stack(account: Any, network: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"Stack \[nobody\] does not exist"):
        propose(account, "nobody", network)
    stack = account.create("exists", network)
    with pytest.raises(ClientError, match="already exists and cannot be created again with the changeSet"):
        propose(account, "exists", network, ChangeSetType="CREATE")
    account.delete(stack["StackId"])
