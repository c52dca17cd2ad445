"""The policy evaluator alone: what IAM documents of statements, patterns, variables and condition operators."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlcluster.local.aws.permissions.keys import Keys
from dlcluster.local.aws.permissions.policy import Need, Principal, judge, problem

ARN = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
VALUES = {
    "aws:userid": ["AROA1:i-1"],
    "aws:TagKeys": ["a", "b"],
    "aws:SecureTransport": ["true"],
    "aws:EpochTime": ["1000"],
    "aws:CurrentTime": ["2026-11-24T12:00:00Z"],
    "aws:SourceIp": ["10.0.0.7"],
    "aws:PrincipalArn": ["arn:aws:iam::123456789012:role/node"],
    "ec2:InstanceID": ["i-1"],
    "ec2:ResourceTag/Team": ["vision"],
}


def verdict(*statements: dict[str, Any], action: str = "ec2:CreateTags", resource: str = ARN, **changes: Any) -> str:
    """`allow`, `deny` or `nothing`, with `?` for what could not be decided."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    policy |= changes
    need = Need(action, resource, Keys("ec2", VALUES, ["ec2:ResourceTag/", "ec2:InstanceType"]))
    found = judge([json.dumps(policy)], need)
    return ("deny" if found.denied else "allow" if found.allowed else "nothing") + ("?" if found.doubts else "")


def allow(**parts: Any) -> dict[str, Any]:
    resource = {} if "NotResource" in parts else {"Resource": "*"}
    action = {} if "NotAction" in parts else {"Action": "*"}
    return {"Effect": "Allow", **resource, **action, **parts}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"Action": "ec2:*"}, "allow"),
        ({"Action": "EC2:createtag?"}, "allow"),
        ({"Action": ["s3:*", "ec2:Delete*"]}, "nothing"),
        ({"NotAction": "ec2:CreateTags"}, "nothing"),
        ({"NotAction": "s3:*"}, "allow"),
        ({"Resource": "arn:aws:ec2:*:*:instance/*"}, "allow"),
        ({"Resource": "arn:aws:ec2:*:*:volume/*"}, "nothing"),
        ({"Resource": "arn:aws:ec2:*:*:instance/${ec2:InstanceID}"}, "allow"),
        ({"Resource": "arn:aws:ec2:*:*:instance/${aws:userid}"}, "nothing"),
        ({"Resource": "arn:aws:ec2:*:*:instance/${aws:username, 'i-1'}"}, "allow"),
        ({"Resource": "arn:aws:ec2:*:*:instance/${aws:username}"}, "nothing"),
        ({"NotResource": "arn:aws:ec2:*:*:volume/*"}, "allow"),
        ({"NotResource": "arn:aws:ec2:*:*:instance/*"}, "nothing"),
    ],
)
def test_actions_and_resources(parts: dict[str, Any], expected: str) -> None:
    assert verdict(allow(**parts)) == expected


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
    [
        ("StringEquals", "aws:UserId", "AROA1:i-1", True),
        ("StringEquals", "aws:userid", "*:i-1", False),
        ("StringLike", "aws:userid", "*:${ec2:InstanceID}", True),
        ("StringLike", "aws:userid", "${*}:i-1", False),
        ("StringNotLike", "aws:userid", ["x", "*:i-1"], False),
        ("StringNotEquals", "aws:userid", ["x", "y"], True),
        ("StringEqualsIgnoreCase", "ec2:ResourceTag/team", "VISION", True),
        ("StringEquals", "aws:username", "x", False),
        ("StringNotEquals", "aws:username", "x", True),
        ("StringEqualsIfExists", "aws:username", "x", True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], False),
        ("ForAllValues:StringEquals", "aws:username", ["a"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["b", "c"], True),
        ("ForAnyValue:StringEquals", "aws:username", ["a"], False),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], True),
        ("ForAllValues:StringNotLike", "aws:TagKeys", ["c*"], True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/n*", True),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*", False),
        ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/head", True),
        ("Bool", "aws:SecureTransport", "true", True),
        ("Bool", "aws:SecureTransport", False, False),
        ("Null", "aws:username", "true", True),
        ("Null", "aws:userid", "true", False),
        ("NumericLessThan", "aws:EpochTime", "1000", False),
        ("NumericLessThanEquals", "aws:EpochTime", 1000, True),
        ("NumericGreaterThan", "aws:EpochTime", "no number", False),
        ("DateGreaterThan", "aws:CurrentTime", "2026-11-24T11:59:59Z", True),
        ("DateLessThan", "aws:CurrentTime", "2026-11-24T11:59:59Z", False),
        ("IpAddress", "aws:SourceIp", ["192.0.2.0/24", "10.0.0.0/8"], True),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.7", False),
        ("StringEquals", "s3:prefix", "x", False),
    ],
)
def test_conditions(operator: str, key: str, wanted: Any, expected: bool) -> None:
    statement = allow(Condition={operator: {key: wanted}})
    assert verdict(statement) == ("allow" if expected else "nothing")
    # A Deny has the same conditions.
    assert verdict(allow(), {**statement, "Effect": "Deny"}) == (
        "deny" if expected or wanted == "no number" else "allow"
    )


@pytest.mark.parametrize("condition", [{"StringEquals": {"aws:Made": "x"}}, {"StringEqual": {"aws:userid": "x"}}])
def test_what_is_not_known_is_refused_never_ignored(condition: dict[str, Any]) -> None:
    assert verdict(allow(Condition=condition)) == "nothing?"
    assert verdict(allow(), {**allow(Condition=condition), "Effect": "Deny"}) == "deny?"
    unknown = {"StringNotEquals": {"ec2:Tenancy": "dedicated"}}
    assert verdict(allow(Condition=unknown)) == "nothing?"


def test_a_denial_wins_and_silence_is_no_permission() -> None:
    assert verdict(allow(), {**allow(), "Effect": "Deny"}) == "deny"
    assert verdict() == "nothing"
    assert verdict(allow(Resource=ARN), resource="*") == "nothing"


def test_the_old_version_has_no_variables() -> None:
    statement = allow(Resource="arn:aws:ec2:*:*:instance/${ec2:InstanceID}")
    assert verdict(statement, Version="2008-10-17") == "nothing"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": ["me", "you"]}}, True),
        ({"Principal": {"AWS": "root"}}, False),
        ({"Principal": {"Service": "me"}}, False),
        ({"NotPrincipal": {"AWS": "me"}}, False),
        ({"NotPrincipal": {"AWS": "you"}}, True),
    ],
)
def test_a_resources_policy_is_about_its_principals(principal: dict[str, Any], expected: bool) -> None:
    who = Principal("me", frozenset({"*", "me"}), frozenset({"*", "me", "root"}))
    need = Need("s3:GetObject", "arn:aws:s3:::b/k", Keys("s3", {}))
    policy = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **principal}}
    assert judge([json.dumps(policy)], need, who).allowed is expected


def test_a_resources_policy_with_a_made_up_operator_is_no_policy() -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    assert problem(json.dumps({"Statement": [statement]})) is None
    wrong = {**statement, "Condition": {"StringIs": {"aws:userid": "x"}}}
    assert problem(json.dumps({"Statement": [wrong]})) == "Invalid Condition type : StringIs"
    assert problem(json.dumps({"Statement": [{"Effect": "Deny"}]})) == "Missing required field Action"
