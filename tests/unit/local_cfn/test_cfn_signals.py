"""Signals: wait conditions by their URL, creation policies by SignalResource."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest


def report(url: str, **fields: Any) -> int:
    request = urllib.request.Request(url, data=json.dumps(fields).encode(), method="PUT")
    request.add_header("Content-Type", "")
    with urllib.request.urlopen(request) as answer:
        return int(answer.status)


def waiting(count: int = 1, timeout: int = 30) -> dict[str, Any]:
    condition = {"Handle": {"Ref": "Handle"}, "Timeout": timeout, "Count": count}
    return {
        "Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Condition": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": condition},
        },
        "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["Condition", "Data"]}}},
    }


def signalled(timeout: str = "PT30S", count: int = 1) -> dict[str, Any]:
    return {
        "Resources": {
            "Node": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "CreationPolicy": {"ResourceSignal": {"Timeout": timeout, "Count": count}},
            }
        }
    }


def handle(account: Any, stack_id: str) -> str:
    return str(account.until(lambda: account.resources(stack_id).get("Handle")))


def test_a_stack_goes_on_when_the_reports_have_come(account: Any) -> None:
    stack_id = account.begin("waits", waiting(count=2))
    url = handle(account, stack_id)
    assert report(url, Status="SUCCESS", UniqueId="a", Data="one", Reason="up") == 200
    assert report(url, Status="SUCCESS", UniqueId="a", Data="again", Reason="up") == 200
    assert account.cf.describe_stacks(StackName="waits")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    report(url, Status="SUCCESS", UniqueId="b", Data="two", Reason="up")
    stack = account.settled(stack_id)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert json.loads(stack["Outputs"][0]["OutputValue"]) == {"a": "one", "b": "two"}
    account.delete(stack_id)


def test_a_reported_failure_fails_the_stack_with_its_reason(account: Any) -> None:
    stack_id = account.begin("waits", waiting())
    report(handle(account, stack_id), Status="FAILURE", UniqueId="a", Reason="no disk")
    assert account.settled(stack_id)["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = "WaitCondition received failed message: 'no disk' for uniqueId: a"
    assert account.reasons(stack_id)["Condition"] == reason
    account.delete(stack_id)


def test_silence_times_out(account: Any) -> None:
    stack = account.create("waits", waiting(timeout=0))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = "WaitCondition timed out. Received 0 conditions when expecting 1"
    assert account.reasons(stack["StackId"])["Condition"] == reason
    account.delete(stack["StackId"])


def test_a_stranger_cannot_report(account: Any) -> None:
    stack_id = account.begin("waits", waiting())
    url = handle(account, stack_id)
    with pytest.raises(HTTPError, match="403"):
        report(url.partition("?")[0] + "?token=guess", Status="SUCCESS", UniqueId="a")
    with pytest.raises(HTTPError, match="400"):
        report(url, Status="MAYBE", UniqueId="a")
    account.delete(stack_id)


def test_a_creation_policy_waits_for_signals_and_tells_them(account: Any) -> None:
    stack_id = account.begin("signals", signalled(count=2))
    account.until(lambda: account.resources(stack_id).get("Node"))
    for unique in ("i-1", "i-1", "i-2"):
        account.cf.signal_resource(StackName="signals", LogicalResourceId="Node", UniqueId=unique, Status="SUCCESS")
    assert account.settled(stack_id)["StackStatus"] == "CREATE_COMPLETE"
    told = [event.get("ResourceStatusReason", "") for event in account.events(stack_id)]
    assert [row for row in told if row.startswith("Received")] == [
        "Received SUCCESS signal with UniqueId i-1",
        "Received SUCCESS signal with UniqueId i-2",
    ]
    account.delete(stack_id)


def test_a_failure_signal_fails_the_resource(account: Any) -> None:
    stack_id = account.begin("signals", signalled())
    account.until(lambda: account.resources(stack_id).get("Node"))
    account.cf.signal_resource(StackName="signals", LogicalResourceId="Node", UniqueId="i-1", Status="FAILURE")
    assert account.settled(stack_id)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.reasons(stack_id)["Node"] == (
        "Received 1 FAILURE signal(s) out of 1. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"
    )
    account.delete(stack_id)


def test_missing_signals_time_out(account: Any) -> None:
    stack = account.create("signals", signalled(timeout="PT1S"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.reasons(stack["StackId"])["Node"].startswith("Failed to receive 1 resource signal(s)")
    account.delete(stack["StackId"])


def test_a_stack_can_be_deleted_while_it_waits(account: Any) -> None:
    stack_id = account.begin("waits", waiting(timeout=600))
    handle(account, stack_id)
    assert account.delete(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    states = [event["ResourceStatus"] for event in account.events(stack_id) if event["LogicalResourceId"] == "waits"]
    assert states == ["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
