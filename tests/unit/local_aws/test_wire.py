"""Round trips: botocore's own serialiser and parser on one side, ours on the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcluster.local.aws.query import AwsError, Context, QueryService, page
from dlcluster.local.aws.wire import parse_form, service_model, success_xml

CONTEXT = Context("autoscaling", "us-east-1", "123456789012", "key", "agent", "r-1")
OPERATIONS = [
    ("cloudformation", "CreateStack"),
    ("cloudformation", "DescribeStacks"),
    ("cloudformation", "DescribeStackEvents"),
    ("cloudformation", "DescribeChangeSet"),
    ("autoscaling", "CreateAutoScalingGroup"),
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("ec2", "RunInstances"),
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribePlacementGroups"),
    ("iam", "GetRole"),
    ("sns", "CreateTopic"),
]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a botocore shape; nothing empty: on the wire that is the same as absent."""
    kind = shape.type_name
    if kind == "structure":
        names = sorted(shape.members)[: max(1, 24 // 2**depth)]
        required = {*shape.required_members, *names[:1]} if depth else set(shape.required_members)
        members = {name: values(shape.members[name], depth + 1) for name in {*names, *required}}
        optional = {name: member for name, member in members.items() if name not in required}
        return st.fixed_dictionaries({name: members[name] for name in sorted(required)}, optional=optional)
    if kind == "list":
        return st.lists(values(shape.member, depth + 1), min_size=1, max_size=2)
    if kind == "map":
        return st.dictionaries(TEXT, values(shape.value, depth + 1), min_size=1, max_size=2)
    if kind == "boolean":
        return st.booleans()
    if kind in ("integer", "long"):
        return st.integers(0, 10_000)
    if kind in ("float", "double"):
        return st.floats(0, 1000, allow_nan=False)
    if kind == "timestamp":
        return st.just(datetime(2026, 11, 24, 12, 30, 1, tzinfo=UTC))
    if kind == "blob":
        return st.binary(min_size=1, max_size=8)
    return st.sampled_from(shape.enum) if getattr(shape, "enum", None) else TEXT


def form_of(service: str, action: str, params: dict[str, Any]) -> dict[str, str]:
    model = service_model(service)
    serializer = create_serializer(model.metadata["protocol"], include_validation=False)
    request = serializer.serialize_to_request(params, model.operation_model(action))
    prepare_request_dict(request, endpoint_url="http://localhost")
    body = request["body"]
    return {key: str(value) for key, value in body.items()}


QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize(("service", "action"), OPERATIONS)
def test_what_botocore_sends_is_parsed_to_the_same_parameters(service: str, action: str) -> None:
    operation = service_model(service).operation_model(action)

    @QUICK
    @given(values(operation.input_shape))
    def check(params: dict[str, Any]) -> None:
        assert parse_form(operation, form_of(service, action, params)) == params

    check()


@pytest.mark.parametrize(("service", "action"), [row for row in OPERATIONS if row[1] != "CreateAutoScalingGroup"])
def test_what_we_answer_is_parsed_by_botocore_to_the_same_result(service: str, action: str) -> None:
    operation = service_model(service).operation_model(action)
    parser = create_parser(operation.service_model.metadata["protocol"])

    @QUICK
    @given(values(operation.output_shape))
    def check(result: dict[str, Any]) -> None:
        body = success_xml(operation, result, "r-1")
        answer = parser.parse({"body": body, "status_code": 200, "headers": {}}, operation.output_shape)
        assert answer.pop("ResponseMetadata")["RequestId"] == "r-1"
        assert {key: value for key, value in answer.items() if value not in ([], {}, "")} == result

    check()


class Groups(QueryService):
    """Three operations: one that works, one that is refused, one that breaks."""

    def __init__(self) -> None:
        super().__init__("autoscaling")

    def describe_account_limits(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"MaxNumberOfAutoScalingGroups": 7}

    def delete_auto_scaling_group(self, params: dict[str, Any], context: Context) -> None:
        raise AwsError("ResourceInUse", f"{params['AutoScalingGroupName']} <is> busy")

    def describe_adjustment_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"NoSuchMember": 1}


def answer(action: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    service = Groups()
    response = service.respond(action, form, CONTEXT)
    shape = service.model.operation_model(action).output_shape if action in service.model.operation_names else None
    raw = {"body": response.body, "status_code": response.status, "headers": {}}
    return response.status, create_parser("query").parse(raw, shape)


def test_an_operation_is_answered_by_the_method_of_its_name() -> None:
    assert answer("DescribeAccountLimits", {})[1]["MaxNumberOfAutoScalingGroups"] == 7


def test_a_refusal_carries_its_code_and_message() -> None:
    status, parsed = answer("DeleteAutoScalingGroup", {"AutoScalingGroupName": "workers"})
    assert (status, parsed["Error"]["Code"], parsed["Error"]["Message"]) == (
        400,
        "ResourceInUse",
        "workers <is> busy",
    )


@pytest.mark.parametrize(
    ("action", "form", "status", "code", "words"),
    [
        ("DescribeAdjustmentTypes", {}, 500, "InternalFailure", "NoSuchMember"),
        ("DescribePolicies", {}, 400, "InvalidAction", "Not emulated here"),
        ("Nonsense", {}, 400, "InvalidAction", "Could not find operation"),
        ("DeleteAutoScalingGroup", {}, 400, "ValidationError", "'autoScalingGroupName'"),
        (
            "DeleteAutoScalingGroup",
            {"AutoScalingGroupName": "w", "ForceDelete": "x"},
            400,
            "ValidationError",
            "'x'",
        ),
    ],
)
def test_what_cannot_be_answered_is_an_error_of_the_protocol(
    action: str, form: dict[str, str], status: int, code: str, words: str
) -> None:
    got, parsed = answer(action, form)
    assert (got, parsed["Error"]["Code"]) == (status, code)
    assert words in parsed["Error"]["Message"]


def test_pages_are_stable_while_newer_rows_arrive() -> None:
    rows = [f"row-{number}" for number in range(5)]
    first, token = page(rows, str, None, 2)
    second, token = page(["newer", *rows], str, token, 2)
    third, end = page(["newer", *rows], str, token, 2)
    assert (first + second + third, end) == (rows, None)


def test_a_page_goes_on_when_its_last_row_is_gone() -> None:
    _, token = page(["a", "b", "c"], str, None, 2)
    assert page(["a", "d", "c"], str, token, 2) == (["c"], None)


def test_a_foreign_token_is_refused() -> None:
    with pytest.raises(AwsError, match="InvalidNextToken"):
        page(["a"], str, "bm9uc2Vuc2U=", 1)
