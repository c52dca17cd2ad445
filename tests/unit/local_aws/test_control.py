"""Faults and the call log over HTTP, as other processes use them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(autouse=True)
def calm(cloud: Any) -> Iterator[None]:
    """No fault before or after a test, and an empty log."""
    cloud.emulator.faults.clear()
    cloud.emulator.calls.clear()
    yield
    cloud.emulator.faults.clear()


def ask(cloud: Any, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.server.port)
    connection.request(method, f"/_emulator/{path}", None if body is None else json.dumps(body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_a_fault_is_added_counted_and_removed(cloud: Any) -> None:
    status, fault = ask(cloud, "POST", "faults", {"kind": "throttle", "service": "ec2", "times": None})
    assert (status, fault["kind"], fault["hits"], fault["over"]) == (201, "throttle", 0, False)
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        cloud.client("ec2").describe_vpcs()
    _, listed = ask(cloud, "GET", "faults")
    assert [(row["id"], row["hits"]) for row in listed["faults"]] == [(fault["id"], 1)]
    assert ask(cloud, "DELETE", f"faults/{fault['id']}") == (200, {"removed": 1})
    cloud.client("ec2").describe_vpcs()
    assert ask(cloud, "GET", "faults") == (200, {"faults": []})


def test_all_faults_go_at_once(cloud: Any) -> None:
    for kind in ("throttle", "lost"):
        ask(cloud, "POST", "faults", {"kind": kind})
    assert ask(cloud, "DELETE", "faults") == (200, {"removed": 2})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "faults", {"kind": "flood"}, 400, "no such kind of fault: flood"),
        ("POST", "faults", {"knd": "lost"}, 400, "unexpected keyword argument 'knd'"),
        ("POST", "faults", {"kind": "lost", "nth": "soon"}, 400, "'nth' has to be a number"),
        ("POST", "faults", {"kind": "lost", "service": 7}, 400, "'service' has to be a text"),
        ("POST", "faults", ["lost"], 400, "a fault is a JSON object"),
        ("DELETE", "faults/none", None, 404, "no such fault: none"),
        ("PUT", "faults", None, 405, "PUT does not apply here"),
        ("GET", "calls?after=x", None, 400, "are numbers"),
        ("GET", "nothing", None, 404, "there are"),
    ],
)
def test_what_cannot_be_is_refused(cloud: Any, method: str, path: str, body: Any, status: int, text: str) -> None:
    got, answer = ask(cloud, method, path, body)
    assert got == status
    assert text in answer["error"]
    assert ask(cloud, "GET", "faults") == (200, {"faults": []})


def test_the_log_is_read_on_from_where_it_was_left(cloud: Any) -> None:
    cloud.client("ec2").describe_vpcs()
    _, first = ask(cloud, "GET", "calls?limit=1")
    assert [row["action"] for row in first["calls"]] == ["DescribeVpcs"]
    assert first["calls"][0]["milliseconds"] > 0
    cloud.client("s3").list_buckets()
    _, second = ask(cloud, "GET", f"calls?after={first['next']}")
    assert [row["action"] for row in second["calls"]] == ["ListBuckets"]
    assert ask(cloud, "GET", f"calls?after={second['next']}") == (200, {"calls": [], "next": second["next"]})


def test_the_log_is_filtered(cloud: Any) -> None:
    cloud.client("ec2").describe_vpcs()
    cloud.emulator.client("ec2", "us-east-1", origin="autoscaling").describe_subnets()
    with pytest.raises(ClientError):
        cloud.client("iam").get_role(RoleName="nobody")

    def actions(which: str) -> list[str]:
        return [row["action"] for row in ask(cloud, "GET", f"calls?{which}")[1]["calls"]]

    assert actions("service=ec2") == ["DescribeVpcs", "DescribeSubnets"]
    assert actions("action=Describe*&origin=user") == ["DescribeVpcs"]
    assert actions("failed=1") == ["GetRole"]
    assert actions("origin=autoscaling") == ["DescribeSubnets"]
    ask(cloud, "DELETE", "calls")
    assert actions("") == []


def test_questions_about_the_log_are_no_calls(cloud: Any) -> None:
    ask(cloud, "GET", "faults")
    assert ask(cloud, "GET", "calls")[1]["calls"] == []
