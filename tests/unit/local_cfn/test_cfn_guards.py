"""What keeps a stack from harm: policies, rollback on demand, time limits; and what is refused in templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def deny(action: str, **which: Any) -> str:
    statement = {"Effect": "Deny", "Action": action, "Principal": "*", **(which or {"Resource": "*"})}
    return json.dumps({"Statement": [ALLOW, statement]})


@pytest.fixture
def notes() -> dict[str, Any]:
    """A template with two parameters of the parameter store."""
    note = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "old"}}
    return {"Resources": {"First": json.loads(json.dumps(note)), "Second": json.loads(json.dumps(note))}}


@pytest.fixture
def stack(account: Any, notes: dict[str, Any]) -> Any:
    before = account.sweep()
    made = account.create("guarded", notes)
    yield made
    account.delete(made["StackId"])
    assert account.sweep() == before


def test_a_stack_policy_is_kept_and_stops_a_change(account: Any, stack: Any, notes: dict[str, Any]) -> None:
    body = deny("Update:Modify", Resource="LogicalResourceId/First")
    account.cf.set_stack_policy(StackName="guarded", StackPolicyBody=body)
    assert account.cf.get_stack_policy(StackName="guarded")["StackPolicyBody"] == body
    notes["Resources"]["First"]["Properties"]["Value"] = "new"
    assert account.update("guarded", notes)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = account.reasons(stack["StackId"])["First"]
    assert reason.startswith("Action denied by stack policy: Statement [#2] denies [Update:Modify] for resource")
    notes["Resources"]["First"]["Properties"]["Value"] = "old"
    notes["Resources"]["Second"]["Properties"]["Value"] = "new"
    assert account.update("guarded", notes)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_policy_for_one_update_takes_the_place_of_the_stacks_own(
    account: Any, stack: Any, notes: dict[str, Any]
) -> None:
    account.cf.set_stack_policy(StackName="guarded", StackPolicyBody=deny("Update:*"))
    notes["Resources"]["First"]["Properties"]["Value"] = "new"
    once = json.dumps({"Statement": ALLOW})
    done = account.update("guarded", notes, StackPolicyDuringUpdateBody=once)
    assert done["StackStatus"] == "UPDATE_COMPLETE"
    notes["Resources"]["First"]["Properties"]["Value"] = "newer"
    assert account.update("guarded", notes)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_policy_stops_replacement_and_removal(account: Any, stack: Any, notes: dict[str, Any]) -> None:
    ids = account.resources(stack["StackId"])
    account.cf.set_stack_policy(StackName="guarded", StackPolicyBody=deny("Update:Replace"))
    notes["Resources"]["First"]["Properties"]["Name"] = "/named"
    assert account.update("guarded", notes)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    by_type = {"StringLike": {"ResourceType": ["AWS::SSM::*"]}}
    body = deny("Update:Delete", Resource="*", Condition=by_type)
    account.cf.set_stack_policy(StackName="guarded", StackPolicyBody=body)
    del notes["Resources"]["First"]
    assert account.update("guarded", notes)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.resources(stack["StackId"]) == ids


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "{}",
        json.dumps({"Statement": {**ALLOW, "Action": "s3:GetObject"}}),
        json.dumps({"Statement": {**ALLOW, "Principal": "me"}}),
        json.dumps({"Statement": {**ALLOW, "Effect": "Perhaps"}}),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(account: Any, stack: Any, body: str) -> None:
    with pytest.raises(ClientError, match="Error validating stack policy"):
        account.cf.set_stack_policy(StackName="guarded", StackPolicyBody=body)


def test_a_failed_creation_that_was_left_is_rolled_back_on_demand(account: Any, notes: dict[str, Any]) -> None:
    before = account.sweep()
    notes["Resources"]["Late"] = {"Type": "AWS::S3::Bucket", "DependsOn": "First"}
    account.fail("TooManyBuckets", action="CreateBucket")
    stack = account.create("left", notes, DisableRollback=True)
    assert stack["StackStatus"] == "CREATE_FAILED"
    account.cf.rollback_stack(StackName="left")
    assert account.settled(stack["StackId"])["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.sweep() == before
    with pytest.raises(ClientError, match="can not be rolled back"):
        account.cf.rollback_stack(StackName="left")
    account.delete(stack["StackId"])


def test_a_failed_update_that_was_left_is_rolled_back_on_demand(
    account: Any, stack: Any, notes: dict[str, Any]
) -> None:
    ids, before = account.resources(stack["StackId"]), account.sweep()
    notes["Resources"]["First"]["Properties"]["Value"] = "new"
    notes["Resources"]["Extra"] = {"Type": "AWS::Logs::LogGroup"}
    notes["Resources"]["Late"] = {"Type": "AWS::S3::Bucket", "DependsOn": ["First", "Extra"]}
    account.fail("TooManyBuckets", action="CreateBucket")
    assert account.update("guarded", notes, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    account.cf.rollback_stack(StackName="guarded")
    assert account.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.resources(stack["StackId"]) == ids
    value = account.client("ssm").get_parameter(Name=ids["First"])["Parameter"]["Value"]
    assert (value, account.sweep()) == ("old", before)


def test_a_creation_that_takes_too_long_is_rolled_back(account: Any) -> None:
    waiting = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "H"}, "Timeout": "900"}}
    template = {"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}, "W": waiting}}
    stack_id = account.begin("slow", template, TimeoutInMinutes=1)
    assert account.cf.describe_stacks(StackName="slow")["Stacks"][0]["TimeoutInMinutes"] == 1
    service = account.emulator.services["cloudformation"][0]
    operation = service.registry.find("us-east-1", "slow").operation
    account.until(lambda: operation.deadline < float("inf"))
    operation.deadline = 0.0  # the minute is over
    assert account.settled(stack_id)["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason", "") for event in account.events(stack_id)]
    assert any("Resource creation cancelled" in reason for reason in reasons)
    account.delete(stack_id)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{{resolve:secretsmanager:name}}", "Dynamic references to secretsmanager are not supported"),
        ("{{resolve:ssm-secure:name:1}}", "Dynamic references to ssm-secure are not supported"),
    ],
)
def test_secrets_by_dynamic_reference_are_refused(account: Any, value: str, message: str) -> None:
    properties = {"Type": "String", "Value": value}
    stack = account.create("secret", {"Resources": {"A": {"Type": "AWS::SSM::Parameter", "Properties": properties}}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert message in account.reasons(stack["StackId"])["A"]
    account.delete(stack["StackId"])


def test_loops_in_templates_are_refused_by_name(account: Any) -> None:
    with pytest.raises(ClientError, match=r"Fn::ForEach::Loop needs AWS::LanguageExtensions"):
        account.create("loop", {"Resources": {"Fn::ForEach::Loop": ["X", ["a"], {}]}})


@pytest.mark.parametrize("operation", ["detect_stack_drift", "list_stack_instances"])
def test_operations_that_are_not_here_are_refused_by_name(account: Any, operation: str) -> None:
    named = {"StackName": "x"} if operation == "detect_stack_drift" else {"StackSetName": "x"}
    with pytest.raises(ClientError, match=r"InvalidAction.*Not emulated here"):
        getattr(account.cf, operation)(**named)


def test_a_token_that_began_something_else_is_refused(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("tokens", network, ClientRequestToken="first")
    asked = {"StackName": "tokens", "ClientRequestToken": "gone"}
    with pytest.raises(ClientError, match="TokenAlreadyExistsException"):
        account.cf.delete_stack(StackName="tokens", ClientRequestToken="first")
    account.cf.delete_stack(**asked)
    account.cf.delete_stack(**asked)
    assert account.settled(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert [event["ResourceStatus"] for event in account.events(stack["StackId"])].count("DELETE_IN_PROGRESS") == 3
