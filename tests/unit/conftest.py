"""Every answer of the emulated services fits botocore's model of it, in every test that asks them in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

# What every operation may answer. Source: the pages "Common Errors" of the services' API references.
COMMON_ERRORS = {
    "AccessDeniedException", "IncompleteSignature", "InternalFailure", "InvalidAction", "InvalidClientTokenId",
    "InvalidParameterCombination", "InvalidParameterValue", "MissingParameter", "NotAuthorized", "OptInRequired",
    "RequestExpired", "SerializationException", "ServiceUnavailable", "ThrottlingException", "ValidationError",
    "ValidationException",
}  # fmt: skip
# Not in the models, but answered by AWS.
UNDOCUMENTED_ERRORS = {
    ("autoscaling", "CreateLaunchConfiguration"): {"UnsupportedOperation"},
    ("cloudformation", "SignalWaitCondition"): {"AccessDenied", "InvalidRequest"},  # S3's answers to a PUT
}
# Events of a stack carry the stack's status, which the model of an event does not list in full; an internet gateway is
# `available` to its VPC, as the text of the model says and its list does not; so with the interface of a NAT gateway.
UNDOCUMENTED_VALUES = {
    "available", "nat_gateway",
    "REVIEW_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}  # fmt: skip


@pytest.fixture(autouse=True)
def answers_fit_their_models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test during which a service of ours gave an answer that AWS could not have given."""
    from dlcluster.local.aws.front import Emulator
    from dlcluster.local.aws.query import QueryService

    problems: list[str] = []
    respond = QueryService.respond

    def checked(self: Any, action: str, form: Any, context: Any, body: bytes = b"") -> Any:
        response = respond(self, action, form, context, body)
        if type(self).__module__.startswith("dlcluster."):
            problems.extend(f"{context.service} {action}: {item}" for item in _problems(self, action, response))
        return response

    monkeypatch.setattr(QueryService, "respond", checked)
    ask_moto = Emulator._ask_moto

    def checked_moto(self: Any, call: Any, environ: Any) -> Any:
        answer = ask_moto(self, call, environ)
        problems.extend(f"{call.service} {call.action}: {item}" for item in _problems_of_moto(call, answer))
        return answer

    monkeypatch.setattr(Emulator, "_ask_moto", checked_moto)
    yield
    assert not problems, "\n".join(sorted(set(problems)))


def _problems(service: Any, action: str, response: Any) -> Iterator[str]:
    from botocore.parsers import create_parser

    if response.error:
        if service.protocol != "ec2" and response.error not in _codes(service, action):
            yield f"the code {response.error} is not documented"
        return
    if action not in service.model.operation_names:
        return
    shape = service.model.operation_model(action).output_shape
    raw = {"body": response.body, "status_code": response.status, "headers": {}}
    parsed = create_parser(service.protocol).parse(raw, shape)
    parsed.pop("ResponseMetadata", None)
    if shape is not None:
        yield from _misfits(shape, parsed, shape.name)


def _problems_of_moto(call: Any, answer: Any) -> Iterator[str]:
    """The same for what moto answers; its error codes are not judged, nor what it does not know."""
    from botocore.exceptions import UnknownServiceError
    from botocore.parsers import create_parser

    from dlcluster.local.aws.wire import service_model

    try:
        model = service_model(call.service)
    except UnknownServiceError:
        return
    if answer.status >= 300 or call.action not in model.operation_names:
        return
    operation = model.operation_model(call.action)
    if operation.output_shape is None or operation.has_streaming_output:
        return
    headers = {name.lower(): value for name, value in answer.headers}
    raw = {"body": answer.body, "status_code": answer.status, "headers": headers}
    parsed = create_parser(model.resolved_protocol).parse(raw, operation.output_shape)
    parsed.pop("ResponseMetadata", None)
    yield from _misfits(operation.output_shape, parsed, operation.output_shape.name)


def _codes(service: Any, action: str) -> set[str]:
    if action not in service.model.operation_names:
        return COMMON_ERRORS | UNDOCUMENTED_ERRORS.get((service.model.service_name, action), set())
    shapes = service.model.operation_model(action).error_shapes
    own = {shape.metadata.get("error", {}).get("code") or shape.name for shape in shapes}
    return COMMON_ERRORS | own | UNDOCUMENTED_ERRORS.get((service.model.service_name, action), set())


def _misfits(shape: Any, value: Any, path: str) -> Iterator[str]:
    """What of a parsed answer breaks its shape: required members, types, enums."""
    kind = shape.type_name
    if kind == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name} is required"
        for name, item in value.items():
            yield from _misfits(shape.members[name], item, f"{path}.{name}")
    elif kind == "list":
        for item in value:
            yield from _misfits(shape.member, item, f"{path}[]")
    elif kind == "map":
        for key, item in value.items():
            yield from _misfits(shape.key, key, f"{path} key")
            yield from _misfits(shape.value, item, f"{path}[{key}]")
    else:
        types: dict[str, Any] = {"string": str, "boolean": bool, "integer": int, "long": int, "double": float}
        if not isinstance(value, types.get(kind, object)) and not (kind == "double" and isinstance(value, int)):
            yield f"{path} is {value!r}, not a {kind}"
        enum = getattr(shape, "enum", None)
        small = {item.lower() for item in enum or ()}  # EC2 writes small what its model writes large
        if enum and value.lower() not in small and value not in UNDOCUMENTED_VALUES:
            yield f"{path} is {value!r}, not one of {enum}"
