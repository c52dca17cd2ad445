"""Stacks within stacks: made, changed, taken back and removed with the stack that has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "templates"


@pytest.fixture(scope="module")
def put(account: Any) -> Any:
    """Write a template to S3; its URL."""
    account.client("s3").create_bucket(Bucket=BUCKET)

    def write(key: str, document: dict[str, Any]) -> str:
        account.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
        return f"https://{BUCKET}.s3.amazonaws.com/{key}"

    return write


@pytest.fixture(autouse=True)
def nothing_left(account: Any, put: Any) -> Iterator[None]:
    before = account.sweep()
    yield
    assert account.sweep() == before


def network(**more: Any) -> dict[str, Any]:
    return {
        "Description": "the inner one",
        "Parameters": {"Range": {"Type": "String"}, "Names": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Range"}}},
            "Note": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "one"}},
            **more,
        },
        "Outputs": {"VpcId": {"Value": {"Ref": "Vpc"}}, "Names": {"Value": {"Fn::Join": ["+", {"Ref": "Names"}]}}},
    }


def outer(url: str, **more: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Network": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {
                    "TemplateURL": url,
                    "Parameters": {"Range": "10.3.0.0/16", "Names": "x,y"},
                    "Tags": [{"Key": "part", "Value": "network"}],
                },
            },
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Fn::GetAtt": ["Network", "Outputs.VpcId"]}, "CidrBlock": "10.3.1.0/24"},
            },
            **more,
        },
        "Outputs": {"Names": {"Value": {"Fn::Sub": "${Network.Outputs.Names}!"}}, "Id": {"Value": {"Ref": "Network"}}},
    }


def note(account: Any, stack_id: str) -> str:
    name = account.resources(stack_id)["Note"]
    return str(account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_a_stack_is_made_changed_and_removed_with_its_parent(account: Any, put: Any) -> None:
    url = put("network.json", network())
    stack = account.create("outer", outer(url), Tags=[{"Key": "team", "Value": "v"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
    inner = account.resources(stack["StackId"])["Network"]
    child = account.cf.describe_stacks(StackName=inner)["Stacks"][0]
    assert (child["ParentId"], child["RootId"]) == (stack["StackId"], stack["StackId"])
    assert child["StackName"].startswith("outer-Network-")
    assert {row["Key"]: row["Value"] for row in child["Tags"]} == {"part": "network", "team": "v"}
    outputs = {row["OutputKey"]: row["OutputValue"] for row in stack["Outputs"]}
    assert outputs == {"Names": "x+y!", "Id": inner}
    with pytest.raises(ClientError, match="No updates are to be performed"):
        account.update("outer", outer(url), Tags=[{"Key": "team", "Value": "v"}])
    changed = network()
    changed["Resources"]["Note"]["Properties"]["Value"] = "two"
    put("network.json", changed)  # the same URL
    assert account.update("outer", outer(url))["StackStatus"] == "UPDATE_COMPLETE"
    assert (account.resources(stack["StackId"])["Network"], note(account, inner)) == (inner, "two")
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert account.settled(inner)["StackStatus"] == "DELETE_COMPLETE"


def test_what_fails_in_the_inner_stack_takes_the_outer_one_back(account: Any, put: Any) -> None:
    bad = {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.99.0.0/24"}}
    stack = account.create("broken", outer(put("broken.json", network(Bad=bad))))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = account.reasons(stack["StackId"])["Network"]
    assert reason.startswith("Embedded stack arn:aws:cloudformation:us-east-1:")
    assert reason.endswith("was not successfully created: The following resource(s) failed to create: [Bad].")
    account.delete(stack["StackId"])


def test_a_failure_beside_it_brings_the_old_inner_stack_back(account: Any, put: Any) -> None:
    url = put("kept.json", network())
    stack = account.create("kept", outer(url))
    inner = account.resources(stack["StackId"])["Network"]
    changed = network()
    changed["Resources"]["Note"]["Properties"]["Value"] = "two"
    put("kept.json", changed)
    bad = {
        "Type": "AWS::EC2::Subnet",
        "DependsOn": "Network",
        "Properties": {"VpcId": {"Fn::GetAtt": ["Network", "Outputs.VpcId"]}, "CidrBlock": "10.99.0.0/24"},
    }
    assert account.update("kept", outer(url, Bad=bad))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (account.resources(stack["StackId"])["Network"], note(account, inner)) == (inner, "one")
    account.delete(stack["StackId"])


def test_a_failing_update_of_the_inner_stack_fails_the_outer_one(account: Any, put: Any) -> None:
    stack = account.create("outer", outer(put("inner.json", network())))
    bad = {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.99.0.0/24"}}
    url = put("inner.json", network(Bad=bad))
    assert account.update("outer", outer(url))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Currently in UPDATE_ROLLBACK_COMPLETE with reason" in account.reasons(stack["StackId"])["Network"]
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_rollback_that_failed_within_goes_on_from_outside(account: Any, put: Any) -> None:
    stack = account.create("outer", outer(put("inner.json", network())))
    inner = account.resources(stack["StackId"])["Network"]
    changed = network()
    changed["Resources"]["Note"]["Properties"]["Value"] = "two"
    bad = {"Type": "AWS::EC2::Subnet", "DependsOn": "Note",
           "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.99.0.0/24"}}  # fmt: skip
    changed["Resources"]["Bad"] = bad
    url = put("inner.json", changed)
    account.fail("InternalError", origin="cloudformation", action="PutParameter", nth=2, status=500)
    assert account.update("outer", outer(url))["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert account.settled(inner)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    account.emulator.faults.clear()
    with pytest.raises(ClientError, match="resources to skip do not exist"):
        account.cf.continue_update_rollback(StackName="outer", ResourcesToSkip=["None"])
    account.cf.continue_update_rollback(StackName="outer")
    assert account.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (account.settled(inner)["StackStatus"], note(account, inner)) == ("UPDATE_ROLLBACK_COMPLETE", "one")
    account.delete(stack["StackId"])


def test_an_inner_stack_that_cannot_be_removed_blocks_its_parent(account: Any, put: Any) -> None:
    stack = account.create("outer", outer(put("inner.json", network(Store={"Type": "AWS::S3::Bucket"}))))
    inner = account.resources(stack["StackId"])["Network"]
    bucket = account.resources(inner)["Store"]
    account.client("s3").put_object(Bucket=bucket, Key="x", Body=b"x")
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_FAILED"
    assert "was not successfully deleted" in account.reasons(stack["StackId"])["Network"]
    account.client("s3").delete_object(Bucket=bucket, Key="x")
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TemplateURL": f"https://{BUCKET}.s3.amazonaws.com/none.json"}, "S3 error: The specified key does not exist"),
        ({"Parameters": {}}, "Parameters: \\[Range\\] must have values"),
        ({"Parameters": {"Range": ["10.3.0.0/16"]}}, "must be an object with String"),
        ({"Parameters": {"Range": "10.3.0.0/16", "Other": "1"}}, "do not exist in the template"),
    ],
)
def test_what_aws_refuses_fails_the_resource(account: Any, put: Any, change: dict[str, Any], reason: str) -> None:
    document = outer(put("inner.json", network()))
    document["Resources"]["Network"]["Properties"] |= change
    stack = account.create("refused", document)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(account.reasons(stack["StackId"])["Network"])
    account.delete(stack["StackId"])


def test_roles_within_need_the_capability_of_the_outer_stack(account: Any, put: Any) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}}}
    document = outer(put("role.json", network(Role=role)))
    stack = account.create("incapable", document, Capabilities=[])
    assert "Requires capabilities : [CAPABILITY_IAM]" in account.reasons(stack["StackId"])["Network"]
    account.delete(stack["StackId"])
    stack = account.create("capable", document)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    account.delete(stack["StackId"])


def test_a_change_set_tells_what_the_inner_stack_may_change(account: Any, put: Any) -> None:
    url = put("inner.json", network())
    stack = account.create("outer", outer(url))
    changed = network()
    changed["Resources"]["Note"]["Properties"]["Value"] = "two"
    put("inner.json", changed)
    made = {"StackName": "outer", "ChangeSetName": "c", "TemplateBody": json.dumps(outer(url))}
    account.cf.create_change_set(**made)
    changes = account.cf.describe_change_set(StackName="outer", ChangeSetName="c")["Changes"]
    rows = {row["ResourceChange"]["LogicalResourceId"]: row["ResourceChange"] for row in changes}
    assert rows["Network"]["Action"] == "Modify"
    assert rows["Network"]["Replacement"] == "False"
    account.delete(stack["StackId"])
