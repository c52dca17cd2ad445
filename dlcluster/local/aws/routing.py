"""Which call a request is: service, region, action and caller, for every AWS protocol."""

from __future__ import annotations

import functools
import io
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel

from dlcluster.local.aws.wire import AwsError, service_model

# Credential scopes that differ from botocore's name of the service.
_SCOPES = {
    "monitoring": "cloudwatch",
    "elasticfilesystem": "efs",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}
# Where a node reports to a CloudFormation wait condition: a plain PUT, without a signature.
WAIT_CONDITION_PATH = "/_waitcondition/"
_READ_VERBS = ("Describe", "List", "Get", "Head", "Search", "Lookup", "Validate", "Estimate", "Detect")
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/,\s]+)/([^/,\s]+)/aws4_request")
_ORIGIN = re.compile(r"emulator-(\w+)")


@dataclass(frozen=True)
class Call:
    """A request as AWS sees it; `form` holds the fields of a query-protocol call, `body` the JSON of another."""

    service: str
    region: str
    action: str
    access_key: str
    user_agent: str
    form: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def reads(self) -> bool:
        """Whether the action changes nothing."""
        return self.action.startswith(_READ_VERBS)

    @property
    def origin(self) -> str:
        """Who sends it: `cloudformation` or `autoscaling` (the emulator itself), `node`, else `user`."""
        match = _ORIGIN.search(self.user_agent)
        if match:
            return match[1]
        return "node" if self.access_key.startswith("ASIA") else "user"

    @property
    def protocol(self) -> str:
        """The wire protocol of the service (`query`, `ec2`, `json`, `rest-xml`, `rest-json`)."""
        model = _model(self.service)
        return model.metadata["protocol"] if model else "json"


def identify(environ: dict[str, Any]) -> Call:
    """Read a WSGI request; a body that is a form or JSON is read and put back."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ.get("PATH_INFO", "").startswith(WAIT_CONDITION_PATH):
        return _wait_condition(environ)
    service, region, access_key = _scope(environ.get("HTTP_AUTHORIZATION", ""), query)
    body = _body(environ, service)
    form = _form(environ, query, body)
    return Call(
        service=service,
        region=region,
        action=_action(environ, service, query, form),
        access_key=access_key,
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        form=form,
        body=body,
    )


def _wait_condition(environ: dict[str, Any]) -> Call:
    return Call(
        service="cloudformation",
        region="",
        action="SignalWaitCondition",
        access_key="anonymous",
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        form={"Path": environ["PATH_INFO"], "Query": environ.get("QUERY_STRING", "")},
        body=environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
    )


def path_style(environ: dict[str, Any]) -> None:
    """Turn `bucket.localhost:4566/key` into `localhost:4566/bucket/key`, as S3 does."""
    bucket, found, port = environ.get("HTTP_HOST", "").partition(".localhost")
    if found and (not port or port.startswith(":")):
        environ["HTTP_HOST"] = "localhost" + port
        for name in ("PATH_INFO", "RAW_URI", "REQUEST_URI"):
            environ[name] = f"/{bucket}{environ.get(name, '/')}"


def refuse_expired(environ: dict[str, Any]) -> None:
    """Raise AwsError(AccessDenied) for a presigned URL whose time is over."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    try:
        if "X-Amz-Signature" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            ends = signed.timestamp() + int(query["X-Amz-Expires"])
        elif "Signature" in query and "AWSAccessKeyId" in query:
            ends = int(query["Expires"])
        else:
            return
    except (KeyError, ValueError):
        raise AwsError("AccessDenied", "Query-string authentication lacks a valid date or expiry.", 403) from None
    if ends < time.time():
        raise AwsError("AccessDenied", "Request has expired", 403)


def _scope(authorization: str, query: dict[str, str]) -> tuple[str, str, str]:
    """Service, region and access key; a request without a scope is S3's (presigned the old way, or public)."""
    match = _CREDENTIAL.search(authorization) or _CREDENTIAL.search(f"Credential={query.get('X-Amz-Credential', '')}")
    if match:
        access_key, region, scope = match.groups()
        return _SCOPES.get(scope, scope), region, access_key
    return "s3", "us-east-1", query.get("AWSAccessKeyId", "anonymous")


def _body(environ: dict[str, Any], service: str) -> bytes:
    kind = environ.get("CONTENT_TYPE", "")
    if not kind.startswith(("application/x-www-form-urlencoded", "application/x-amz-json")) and service != "efs":
        return b""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _form(environ: dict[str, Any], query: dict[str, str], body: bytes) -> dict[str, str]:
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return {**query, **dict(parse_qsl(body.decode(), keep_blank_values=True))}
    return query if "Action" in query else {}


def _action(environ: dict[str, Any], service: str, query: dict[str, str], form: dict[str, str]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET")
    path = environ.get("PATH_INFO", "/")
    if "Action" in form:
        return form["Action"]
    if target:
        return target.rpartition(".")[2]
    if "HTTP_SMITHY_PROTOCOL" in environ:
        return path.rpartition("/")[2]
    method = environ["REQUEST_METHOD"]
    headers = {name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
    for rule in _rest_rules(service):
        if rule.matches(method, path, query, headers):
            return rule.action
    return f"{method} {path}"


@functools.cache
def _model(service: str) -> Any:
    try:
        return service_model(service)
    except UnknownServiceError:
        return None


@dataclass(frozen=True)
class _RestRule:
    action: str
    method: str
    path: re.Pattern[str]
    query: dict[str, str]
    headers: frozenset[str]
    literals: int

    def matches(self, method: str, path: str, query: dict[str, str], headers: set[str]) -> bool:
        return (
            method == self.method
            and self.headers <= headers
            and all(key in query and value in ("", query[key]) for key, value in self.query.items())
            and self.path.fullmatch(path) is not None
        )


@functools.cache
def _rest_rules(service: str) -> list[_RestRule]:
    """How method, path, query and headers name an operation; the most specific rules come first."""
    model = _model(service)
    if model is None or not model.metadata["protocol"].startswith("rest"):
        return []
    operations = [model.operation_model(name) for name in model.operation_names]
    # What is deprecated shares its path with what took its place.
    rules = [_rest_rule(operation) for operation in sorted(operations, key=lambda item: bool(item.deprecated))]
    return sorted(rules, key=lambda rule: (-len(rule.query) - len(rule.headers), -rule.literals))


def _rest_rule(operation: OperationModel) -> _RestRule:
    path, _, fixed = operation.http["requestUri"].partition("?")
    query = dict(parse_qsl(fixed, keep_blank_values=True))
    query.pop("x-id", None)
    headers = set()
    shape = operation.input_shape
    required = [shape.members[name] for name in shape.required_members] if shape else []
    for member in required:
        place = member.serialization
        if place.get("location") == "querystring":
            query.setdefault(place["name"], "")
        elif place.get("location") == "header":
            headers.add(place["name"].lower())
    pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda m: "(.+)" if m[2] else "([^/]+)", re.escape(path))
    return _RestRule(
        operation.name,
        operation.http["method"],
        re.compile(pattern + "/?"),
        query,
        frozenset(headers),
        len(re.sub(r"\{.*?\}", "", path)),
    )
