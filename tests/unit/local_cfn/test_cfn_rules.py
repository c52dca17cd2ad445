"""The Rules section: what parameters must be, told before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def template(rule: Any) -> dict[str, Any]:
    return {
        "Parameters": {
            "Kind": {"Type": "String", "Default": "dev"},
            "Type": {"Type": "String", "Default": "t3.micro"},
            "Names": {"Type": "CommaDelimitedList", "Default": "a,b"},
        },
        "Mappings": {"Types": {"prod": {"least": "m5.large"}}},
        "Rules": {"R": rule},
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    }


def is_kind(kind: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": "Kind"}, kind]}


SMALL = {"Fn::Contains": [["t3.micro", "t3.small"], {"Ref": "Type"}]}
LEAST = {"Fn::Equals": [{"Ref": "Type"}, {"Fn::FindInMap": ["Types", {"Ref": "Kind"}, "least"]}]}


def assertion(rule: Any, text: str = "must be so", **more: Any) -> dict[str, Any]:
    return {"Assertions": [{"Assert": rule, "AssertDescription": text}], **more}


@pytest.mark.parametrize(
    ("rule", "given", "holds"),
    [
        (assertion(SMALL), {}, True),
        (assertion(SMALL), {"Type": "m5.large"}, False),
        (assertion(SMALL, RuleCondition=is_kind("dev")), {"Kind": "prod", "Type": "m5.large"}, True),
        (assertion(LEAST, RuleCondition=is_kind("prod")), {"Kind": "prod"}, False),
        (assertion(LEAST, RuleCondition=is_kind("prod")), {"Kind": "prod", "Type": "m5.large"}, True),
        (assertion({"Fn::And": [SMALL, {"Fn::Not": [is_kind("prod")]}]}), {"Kind": "prod"}, False),
        (assertion({"Fn::Or": [SMALL, is_kind("prod")]}), {"Kind": "prod", "Type": "m5.large"}, True),
        (assertion({"Fn::EachMemberIn": [{"Ref": "Names"}, ["a", "b", "c"]]}), {}, True),
        (assertion({"Fn::EachMemberIn": [{"Ref": "Names"}, ["a", "b", "c"]]}), {"Names": "a,z"}, False),
        (assertion({"Fn::EachMemberEquals": [{"Ref": "Names"}, "a"]}), {"Names": "a,a"}, True),
        (assertion({"Fn::EachMemberEquals": [{"Ref": "Names"}, "a"]}), {}, False),
    ],
)
def test_an_assertion_that_does_not_hold_refuses_the_stack(
    account: Any, rule: Any, given: dict[str, str], holds: bool
) -> None:
    rows = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    if holds:
        stack = account.create("ruled", template(rule), Parameters=rows)
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        account.delete(stack["StackId"])
        return
    with pytest.raises(ClientError, match="must be so"):
        account.create("ruled", template(rule), Parameters=rows)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "must contain Assertions"),
        (assertion({"Ref": "Kind"}), "cannot be used as an assertion"),
        (assertion({"Fn::Contains": [["a"], {"Ref": "Queue"}]}), "cannot be used in the Rules section"),
        (assertion({"Fn::Contains": [{"Fn::RefAll": "AWS::EC2::VPC::Id"}, "x"]}), "Fn::RefAll in the Rules section"),
    ],
)
def test_a_rule_that_cannot_be_tried_is_refused(account: Any, rule: Any, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        account.create("ruled", template(rule))
