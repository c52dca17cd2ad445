"""Template parameters: from what a caller passes to typed values, checked with AWS's messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.intrinsics import error, text
from dlcluster.local.aws.cloudformation.template import Template

KEYS = frozenset(
    [
        "Type",
        "Default",
        "NoEcho",
        "AllowedPattern",
        "AllowedValues",
        "ConstraintDescription",
        "Description",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
    ]
)
_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_LIST = re.compile(r"List<(.+)>")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

# AWS-specific types: service, operation, the request that finds one value. A client error means: not there.
_EXISTS: dict[str, tuple[str, str, Callable[[str], dict[str, Any]]]] = {
    "AWS::EC2::Image::Id": ("ec2", "describe_images", lambda value: {"ImageIds": [value]}),
    "AWS::EC2::Instance::Id": ("ec2", "describe_instances", lambda value: {"InstanceIds": [value]}),
    "AWS::EC2::KeyPair::KeyName": ("ec2", "describe_key_pairs", lambda value: {"KeyNames": [value]}),
    "AWS::EC2::SecurityGroup::GroupName": (
        "ec2",
        "describe_security_groups",
        lambda value: {"Filters": [{"Name": "group-name", "Values": [value]}]},
    ),
    "AWS::EC2::SecurityGroup::Id": ("ec2", "describe_security_groups", lambda value: {"GroupIds": [value]}),
    "AWS::EC2::Subnet::Id": ("ec2", "describe_subnets", lambda value: {"SubnetIds": [value]}),
    "AWS::EC2::Volume::Id": ("ec2", "describe_volumes", lambda value: {"VolumeIds": [value]}),
    "AWS::EC2::VPC::Id": ("ec2", "describe_vpcs", lambda value: {"VpcIds": [value]}),
    "AWS::EC2::AvailabilityZone::Name": (
        "ec2",
        "describe_availability_zones",
        lambda value: {"ZoneNames": [value]},
    ),
    "AWS::SSM::Parameter::Name": ("ssm", "get_parameter", lambda value: {"Name": value}),
}
_PLAIN = ("String", "Number", "CommaDelimitedList")

Client = Callable[[str], Any]


@dataclass(frozen=True)
class Parameters:
    """The parameters of a stack: as passed (`given`), after SSM (`resolved`), and typed (`values`)."""

    given: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def rows(self) -> list[dict[str, Any]]:
        """As DescribeStacks shows them; NoEcho values are masked."""
        return [
            {
                "ParameterKey": name,
                "ParameterValue": "****" if name in self.hidden else value,
                "ResolvedValue": self.resolved.get(name),
            }
            for name, value in self.given.items()
        ]

    def secrets(self) -> list[str]:
        """The values that must not be shown."""
        return [text(self.values[name]) for name in self.hidden if self.values.get(name)]


def declared(template: Template) -> dict[str, dict[str, Any]]:
    """The Parameters section, checked. Raises AwsError(ValidationError)."""
    section = template.section("Parameters")
    for name, item in section.items():
        if not isinstance(item, dict) or not isinstance(item.get("Type"), str):
            raise error("Template format error: Every Parameters object must contain a Type member.")
        unknown = sorted(set(item) - KEYS)
        if unknown:
            raise error(f"Invalid template parameter property '{unknown[0]}'")
        if not _known_type(item["Type"]):
            raise error(f"Template format error: Unrecognized parameter type: {item['Type']}")
        if "Default" in item and isinstance(item["Default"], list | dict):
            raise error("Template format error: Every Default member must be a string.")
        if not re.fullmatch("[A-Za-z0-9]{1,255}", str(name)):
            raise error(f"Template format error: Parameter name {name} is non alphanumeric.")
    return section


def _known_type(kind: str) -> bool:
    ssm = _SSM_VALUE.fullmatch(kind)
    inner = ssm[1] if ssm else kind
    if inner in _PLAIN or inner in _EXISTS or inner == "AWS::Route53::HostedZone::Id":
        return inner != "Number" or not ssm
    listed = _LIST.fullmatch(inner)
    return bool(listed) and listed[1] in ("Number", "String", *_EXISTS)  # type: ignore[index]


def resolve(
    template: Template,
    passed: list[dict[str, Any]],
    previous: Parameters | None,
    client: Client,
) -> Parameters:
    """Values for a create (previous None) or an update. Raises AwsError(ValidationError)."""
    section = declared(template)
    given = _given(section, passed, previous)
    for name, value in given.items():
        _check(name, section[name], value)
    ssm = {name for name in given if _SSM_VALUE.fullmatch(section[name]["Type"])}
    resolved = _fetch({name: (given[name], section[name]["Type"]) for name in ssm}, client)
    values = {name: _typed(section[name]["Type"], resolved.get(name, given[name])) for name in given}
    hidden = frozenset(name for name in given if text(section[name].get("NoEcho", False)) == "true")
    return Parameters(given, resolved, values, hidden)


def _given(section: Mapping[str, Any], passed: list[dict[str, Any]], previous: Parameters | None) -> dict[str, str]:
    keys = [row.get("ParameterKey", "") for row in passed]
    strange = sorted(key for key in keys if key not in section)
    if strange:
        raise error(f"Parameters: [{', '.join(strange)}] do not exist in the template")
    if len(set(keys)) != len(keys):
        raise error("Parameters: duplicate parameter keys are not allowed")
    given: dict[str, str] = {}
    missing = []
    rows = {row["ParameterKey"]: row for row in passed}
    for name, item in section.items():
        row = rows.get(name, {})
        if row.get("UsePreviousValue"):
            if previous is None or name not in previous.given:
                raise error(f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true "
                            "for a parameter key not in the previous template")  # fmt: skip
            given[name] = previous.given[name]
        elif "ParameterValue" in row:
            given[name] = row["ParameterValue"]
        elif "Default" in item:
            given[name] = text(item["Default"])
        else:
            missing.append(name)
    if missing:
        raise error(f"Parameters: [{', '.join(missing)}] must have values")
    return given


def _check(name: str, item: Mapping[str, Any], value: str) -> None:
    """The constraints of one parameter, on the value as passed (for SSM types that is the name, as on AWS)."""

    def fail(message: str) -> None:
        described = item.get("ConstraintDescription")
        raise error(f"Parameter '{name}' failed to satisfy constraint: {described}" if described
                    else f"Parameter '{name}' {message}")  # fmt: skip

    kind = item["Type"]
    parts = _split(value) if kind == "CommaDelimitedList" or _LIST.fullmatch(kind) else [value]
    if kind in ("Number", "List<Number>"):
        for part in parts:
            if not _NUMBER.fullmatch(part):
                raise error(f"Parameter '{name}' must be a number")
            if "MinValue" in item and float(part) < float(item["MinValue"]):
                fail(f"must be a number not less than {item['MinValue']}")
            if "MaxValue" in item and float(part) > float(item["MaxValue"]):
                fail(f"must be a number not greater than {item['MaxValue']}")
    allowed = [text(entry) for entry in item.get("AllowedValues") or []]
    if allowed and any(part not in allowed for part in parts):
        fail("must be one of AllowedValues")
    if "MinLength" in item and len(value) < int(item["MinLength"]):
        fail(f"must contain at least {item['MinLength']} characters")
    if "MaxLength" in item and len(value) > int(item["MaxLength"]):
        fail(f"must contain at most {item['MaxLength']} characters")
    pattern = item.get("AllowedPattern")
    if pattern and not all(re.fullmatch(pattern, part) for part in parts):
        fail(f"must match pattern {pattern}")


def _fetch(wanted: Mapping[str, tuple[str, str]], client: Client) -> dict[str, str]:
    """Values out of the parameter store; the store's own type must fit (String against StringList)."""
    found = {}
    for name, (path, kind) in wanted.items():
        try:
            stored = client("ssm").get_parameter(Name=path)["Parameter"]
        except ClientError:
            raise error(f"Unable to fetch parameters [{path}] from parameter store for this account.") from None
        listed = "List" in _SSM_VALUE.fullmatch(kind)[1]  # type: ignore[index]
        if stored["Type"] == "SecureString":
            raise error(f"Parameters [{path}] referenced by template have types not supported by CloudFormation.")
        if (stored["Type"] == "StringList") != listed:
            raise error(f"Types for SSM parameters [{path}] defined in CFN template and SSM are incompatible")
        found[name] = ",".join(_split(stored["Value"])) if listed else stored["Value"]
    return found


def _typed(kind: str, value: str) -> Any:
    return _split(value) if "List" in kind else value


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def missing_values(template: Template, parameters: Parameters, client: Client) -> str:
    """Why values of AWS-specific types are no good, or "". AWS finds this out after the stack has started."""
    problems = []
    for name, item in template.section("Parameters").items():
        kind = item["Type"]
        ssm = _SSM_VALUE.fullmatch(kind)
        inner = ssm[1] if ssm else kind
        listed = _LIST.fullmatch(inner)
        lookup = _EXISTS.get(listed[1] if listed else inner)
        value = parameters.values[name]
        for part in (value if isinstance(value, list) else [value]) if lookup else []:
            if lookup and not _exists(lookup, part, client):
                problems.append(f"parameter value {part} for parameter name {name} does not exist")
    return f"Parameter validation failed: {', '.join(problems)}" if problems else ""


def _exists(lookup: tuple[str, str, Callable[[str], dict[str, Any]]], value: str, client: Client) -> bool:
    service, operation, request = lookup
    if not value:
        return False
    try:
        answer = getattr(client(service), operation)(**request(value))
    except ClientError:
        return False
    answer.pop("ResponseMetadata", None)
    return any(answer.values())
