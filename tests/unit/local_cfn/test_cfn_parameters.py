"""Parameters: constraints in AWS's words, SSM values, updates with previous values."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def with_parameter(**declaration: Any) -> dict[str, Any]:
    return {
        "Parameters": {"P": {"Type": "String", **declaration}},
        "Resources": {"Note": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}},
        "Outputs": {"P": {"Value": {"Fn::Join": ["|", [{"Ref": "P"}]]}}},
    }


def given(value: str, name: str = "P") -> list[dict[str, Any]]:
    return [{"ParameterKey": name, "ParameterValue": value}]


@pytest.mark.parametrize(
    ("declaration", "value", "message"),
    [
        ({"AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues"),
        ({"AllowedPattern": "[a-z]+"}, "A1", "Parameter 'P' must match pattern [a-z]+"),
        (
            {"AllowedPattern": "[a-z]+", "ConstraintDescription": "lower case only"},
            "A1",
            "Parameter 'P' failed to satisfy constraint: lower case only",
        ),
        ({"MinLength": 3}, "ab", "Parameter 'P' must contain at least 3 characters"),
        ({"MaxLength": "3"}, "abcd", "Parameter 'P' must contain at most 3 characters"),
        ({"Type": "Number"}, "two", "Parameter 'P' must be a number"),
        ({"Type": "Number", "MinValue": 1}, "0", "Parameter 'P' must be a number not less than 1"),
        ({"Type": "Number", "MaxValue": 4}, "5", "Parameter 'P' must be a number not greater than 4"),
        ({"Type": "List<Number>"}, "1,x", "Parameter 'P' must be a number"),
        (
            {"Type": "AWS::SSM::Parameter::Value<String>"},
            "/none",
            "Unable to fetch parameters [/none] from parameter store for this account.",
        ),
        (
            {"Type": "AWS::SSM::Parameter::Value<List<String>>"},
            IMAGE,
            f"Types for SSM parameters [{IMAGE}] defined in CFN template and SSM are incompatible",
        ),
        ({"Type": "Text"}, "a", "Template format error: Unrecognized parameter type: Text"),
    ],
)
def test_a_value_that_breaks_its_constraint_is_refused(
    account: Any, declaration: dict[str, Any], value: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        account.begin("refused", with_parameter(**declaration), Parameters=given(value))
    assert caught.value.response["Error"] == {"Type": "Sender", "Code": "ValidationError", "Message": message}
    with pytest.raises(ClientError, match="does not exist"):
        account.cf.describe_stacks(StackName="refused")


def test_missing_and_unknown_parameters_are_named(account: Any) -> None:
    with pytest.raises(ClientError, match=r"Parameters: \[P\] must have values"):
        account.begin("refused", with_parameter())
    with pytest.raises(ClientError, match=r"Parameters: \[Q\] do not exist in the template"):
        account.begin("refused", with_parameter(Default="a"), Parameters=given("b", "Q"))


@pytest.mark.parametrize(
    ("declaration", "value", "output"),
    [
        ({}, "text", "text"),
        ({"Type": "Number"}, "2.5", "2.5"),
        ({"Type": "AWS::EC2::AvailabilityZone::Name"}, "us-east-1b", "us-east-1b"),
    ],
)
def test_values_reach_the_template(account: Any, declaration: dict[str, Any], value: str, output: str) -> None:
    stack = account.create("values", with_parameter(**declaration), Parameters=given(value))
    assert stack["Outputs"][0]["OutputValue"] == output
    assert stack["Parameters"] == given(value)
    account.delete(stack["StackId"])


def test_lists_are_split_and_trimmed(account: Any) -> None:
    template = with_parameter(Type="CommaDelimitedList", Default="a, b,c")
    template["Outputs"]["P"]["Value"]["Fn::Join"][1] = {"Ref": "P"}
    stack = account.create("lists", template)
    assert stack["Outputs"][0]["OutputValue"] == "a|b|c"
    account.delete(stack["StackId"])


def test_an_image_comes_from_the_parameter_store(account: Any) -> None:
    template = with_parameter(Type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", Default=IMAGE)
    stack = account.create("image", template)
    image = account.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
    assert stack["Outputs"][0]["OutputValue"] == image
    assert stack["Parameters"] == [{"ParameterKey": "P", "ParameterValue": IMAGE, "ResolvedValue": image}]
    account.delete(stack["StackId"])


def test_a_value_of_an_aws_type_that_does_not_exist_fails_before_any_resource(account: Any) -> None:
    stack = account.create("absent", with_parameter(Type="AWS::EC2::Subnet::Id"), Parameters=given("subnet-123"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason") for event in account.events(stack["StackId"])]
    assert reasons[1] == (
        "Parameter validation failed: parameter value subnet-123 for parameter name P does not exist. "
        "Rollback requested by user."
    )
    assert account.resources(stack["StackId"]) == {}
    account.delete(stack["StackId"])


def test_secrets_are_masked_everywhere(account: Any) -> None:
    template = with_parameter(NoEcho=True)
    template["Resources"]["Note"]["Properties"]["Value"] = {"Fn::Sub": "pre-${P}-post"}
    del template["Outputs"]
    stack = account.create("secret", template, Parameters=given("hunter2"))
    assert stack["Parameters"][0]["ParameterValue"] == "****"
    assert "hunter2" not in str(account.events(stack["StackId"]))
    note = account.resources(stack["StackId"])["Note"]
    assert account.client("ssm").get_parameter(Name=note)["Parameter"]["Value"] == "pre-hunter2-post"
    account.delete(stack["StackId"])


def test_an_update_can_keep_the_previous_value(account: Any) -> None:
    template = with_parameter()
    template["Resources"]["Note"]["Properties"]["Value"] = {"Ref": "P"}
    stack = account.create("previous", template, Parameters=given("first"))
    template["Resources"]["Note"]["Properties"]["Description"] = "new"
    keep = [{"ParameterKey": "P", "UsePreviousValue": True}]
    stack = account.update("previous", template, Parameters=keep)
    assert stack["Outputs"][0]["OutputValue"] == "first"
    with pytest.raises(ClientError, match="No updates are to be performed"):
        account.cf.update_stack(StackName="previous", UsePreviousTemplate=True, Parameters=keep)
    account.delete(stack["StackId"])
