"""What a call to EC2 must be allowed to do.

EC2's calls name their resources by ids, whose prefix tells the kind: one rule for all of them. Every resource that a
call names must be allowed; descriptions know no resources. Source:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dlcluster.local.aws.launch import Request
from dlcluster.local.aws.permissions.keys import Keys
from dlcluster.local.aws.permissions.policy import Need
from dlcluster.local.aws.permissions.scope import Scope
from dlcluster.local.aws.placement import tags_for

_ID = re.compile(r"([a-z]+)-[0-9a-f]{8}(?:[0-9a-f]{9})?")
_KINDS = {
    "acl": "network-acl", "ami": "image", "cr": "capacity-reservation", "dopt": "dhcp-options",
    "eigw": "egress-only-internet-gateway", "eipalloc": "elastic-ip", "eni": "network-interface", "i": "instance",
    "igw": "internet-gateway", "key": "key-pair", "lt": "launch-template", "nat": "natgateway",
    "pcx": "vpc-peering-connection", "pg": "placement-group", "rtb": "route-table", "sg": "security-group",
    "sgr": "security-group-rule", "snap": "snapshot", "subnet": "subnet", "vol": "volume", "vpc": "vpc",
    "vpce": "vpc-endpoint",
}  # fmt: skip
_OWNERLESS = {"image", "snapshot"}  # their ARNs carry no account
_CREATES = {
    "AllocateAddress": "elastic-ip",
    "CreateNatGateway": "natgateway",
    "CopyImage": "image",
    "ImportKeyPair": "key-pair",
    "RegisterImage": "image",
    **{
        "Create" + "".join(word.title() for word in kind.split("-")): kind
        for kind in sorted({*_KINDS.values()} - {"natgateway", "elastic-ip", "security-group-rule"})
    },
}
_LAUNCHED = ("instance", "volume", "network-interface")  # kinds that RunInstances makes
# Emulated for EC2; a resource to which one does not apply lacks it.
_KEYS = (
    "ec2:AvailabilityZone",
    "ec2:CreateAction",
    "ec2:InstanceID",
    "ec2:InstanceProfile",
    "ec2:InstanceType",
    "ec2:Region",
    "ec2:ResourceTag/",
    "ec2:SourceInstanceARN",
)


def needs(scope: Scope, params: dict[str, Any]) -> list[Need]:
    """Everything that must be allowed for an EC2 call; parameters by botocore's names."""
    action = scope.call.action
    if action.startswith(("Describe", "Search", "List")) and not action.endswith("Attribute"):
        return [Need(f"ec2:{action}", "*", _keys(scope, {}))]
    if action == "RunInstances":
        return _launch_needs(scope, params)
    tags = {tag["Key"]: tag.get("Value") for tag in params.get("Tags", [])}
    made = _CREATES.get(action)
    specified = tags_for(made, params.get("TagSpecifications", [])) if made else {}
    resources = [*([(made, params.get("KeyName", params.get("GroupName", "*")))] if made else []), *_named(params)]
    found = [
        Need(f"ec2:{action}", _arn(scope, kind, name), _resource_keys(scope, kind, name, {**tags, **specified}))
        for kind, name in resources
    ]
    return [*(found or [Need(f"ec2:{action}", "*", _keys(scope, {}))]), *_tagging(scope, made, specified)]


def _launch_needs(scope: Scope, params: dict[str, Any]) -> list[Need]:
    """A launch needs all of its parts, and leave to tag and to pass the role."""
    call = scope.call
    request = Request(scope.emulator.backend, call.region, params)
    named = [*_named(request.asked), *_named({"LaunchTemplate": params.get("LaunchTemplate", {})})]
    names = {"key-pair": request.asked.get("KeyName"), "placement-group": request.group_name}
    resources = [*((kind, "*") for kind in _LAUNCHED), *named, *((kind, name) for kind, name in names.items() if name)]
    launch = {"ec2:InstanceType": [request.asked["InstanceType"]]}
    found, tagging = [], []
    for kind, name in dict.fromkeys(resources):
        tags = tags_for(kind, request.asked["TagSpecifications"]) if name == "*" else {}
        keys = _resource_keys(scope, kind, name, tags, launch if kind == "instance" else {})
        found.append(Need("ec2:RunInstances", _arn(scope, kind, name), keys))
        tagging += _tagging(scope, kind, tags)
    passes = [
        Need("iam:PassRole", role, Keys("iam", {**scope.session_keys, "iam:PassedToService": ["ec2.amazonaws.com"]}))
        for role in _roles(scope, request.launch.profile)
    ]
    return [*found, *tagging, *passes]


def _roles(scope: Scope, profile: str | None) -> list[str]:
    if not profile:
        return []
    asked = {"InstanceProfileName": profile}
    answer = scope.emulator.backend.call("iam", "GetInstanceProfile", asked, scope.call.region)
    return [role["Arn"] for role in answer["InstanceProfile"]["Roles"]]


def _tagging(scope: Scope, kind: str | None, tags: dict[str, str]) -> list[Need]:
    """To create with tags needs leave to tag what is created."""
    if not kind or not tags:
        return []
    keys = _resource_keys(scope, kind, "*", tags, {"ec2:CreateAction": [scope.call.action]})
    return [Need("ec2:CreateTags", _arn(scope, kind, "*"), keys)]


def _named(value: Any) -> list[tuple[str, str]]:
    """Kind and id of every resource that parameters name, in their order, each once."""
    return list(dict.fromkeys(_ids(value)))


def _ids(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        match = _ID.fullmatch(value)
        if match and match[1] in _KINDS:
            yield _KINDS[match[1]], value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("Tags", "TagSpecifications", "UserData", "ClientToken"):
                yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)


def _arn(scope: Scope, kind: str, name: str) -> str:
    account = "" if kind in _OWNERLESS else scope.account_id
    return f"arn:aws:ec2:{scope.call.region}:{account}:{kind}/{name}"


def _keys(scope: Scope, values: dict[str, list[str]]) -> Keys:
    return Keys("ec2", {**scope.session_keys, "ec2:Region": [scope.call.region], **values}, _KEYS)


def _resource_keys(
    scope: Scope, kind: str, name: str, tags: dict[str, Any], more: dict[str, list[str]] | None = None
) -> Keys:
    values: dict[str, list[str]] = dict(more or {})
    for key, value in scope.ec2_tags(name).items():
        values[f"aws:ResourceTag/{key}"] = values[f"ec2:ResourceTag/{key}"] = [value]
    if tags:
        values["aws:TagKeys"] = list(tags)
        values |= {f"aws:RequestTag/{key}": [value] for key, value in tags.items() if value is not None}
    if kind == "instance" and name != "*":
        values |= _instance_keys(scope, name)
    return _keys(scope, values)


def _instance_keys(scope: Scope, instance_id: str) -> dict[str, list[str]]:
    values = {"ec2:InstanceID": [instance_id]}
    instance = scope.emulator.compute.find(instance_id)
    if instance is not None:
        values |= {"ec2:InstanceType": [instance.instance_type]}
        values |= {"ec2:AvailabilityZone": [instance.availability_zone]}
        values |= {"ec2:InstanceProfile": [instance.profile_arn]} if instance.profile_arn else {}
    return values
