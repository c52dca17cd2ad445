"""What a call must be allowed to do: actions, resources (ARNs) and condition keys, service by service.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from dlcluster.local.aws.permissions import needs_ec2, needs_s3
from dlcluster.local.aws.permissions.keys import Keys
from dlcluster.local.aws.permissions.policy import Need
from dlcluster.local.aws.permissions.scope import Scope
from dlcluster.local.aws.wire import parse_form, service_model

# Where the prefix of a service's actions differs from botocore's name of it.
_PREFIXES = {
    "efs": "elasticfilesystem",
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
    "stepfunctions": "states",
}
_FREE = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}  # no permission is asked for these


def needs(scope: Scope, environ: dict[str, Any]) -> list[Need]:
    """Everything that must be allowed for a call to go on."""
    service, action = scope.call.service, scope.call.action
    if (service, action) in _FREE:
        return []
    if service == "s3":
        return needs_s3.needs(scope, environ)
    params = parameters(scope)
    if service == "ec2":
        return needs_ec2.needs(scope, params)
    prefix = _PREFIXES.get(service, service)
    find = _RESOURCES.get(service, _named)
    keys = Keys(prefix, {**scope.session_keys, **_request_tags(params)})
    return [Need(f"{prefix}:{action}", resource, keys) for resource in find(scope, params) or ["*"]]


def parameters(scope: Scope) -> dict[str, Any]:
    """The call's parameters by botocore's names; empty for what is no form and no JSON."""
    call = scope.call
    model = service_model(call.service)
    if call.form and call.action in model.operation_names:
        return parse_form(model.operation_model(call.action), call.form)
    return dict(json.loads(call.body)) if call.body.startswith(b"{") else {}


def _request_tags(params: dict[str, Any]) -> dict[str, list[str]]:
    tags = params.get("Tags", params.get("tags", []))
    if not isinstance(tags, list) or not all(isinstance(tag, dict) and "Key" in tag for tag in tags):
        return {}
    found = {f"aws:RequestTag/{tag['Key']}": [tag.get("Value", "")] for tag in tags}
    return {**found, "aws:TagKeys": [tag["Key"] for tag in tags]} if tags else {}


def _ssm(scope: Scope, params: dict[str, Any]) -> list[str]:
    names = [*params.get("Names", []), *(params[key] for key in ("Name", "Path") if key in params)]
    return [_parameter_arn(scope, name) for name in names] if "Parameter" in scope.call.action else []


def _parameter_arn(scope: Scope, name: str) -> str:
    if name.startswith("arn:"):
        return name
    name = "/" + name.partition(":")[0].lstrip("/")
    account = "" if name.startswith("/aws/") else scope.account_id
    return f"arn:aws:ssm:{scope.call.region}:{account}:parameter{name}"


def _autoscaling(scope: Scope, params: dict[str, Any]) -> list[str]:
    """The group, by its name or by one of its instances; descriptions know no resources."""
    if scope.call.action.startswith("Describe"):
        return []
    names = [params["AutoScalingGroupName"]] if "AutoScalingGroupName" in params else []
    for instance_id in [params["InstanceId"]] if "InstanceId" in params and not names else []:
        names += [tag for tag in [scope.ec2_tags(instance_id).get("aws:autoscaling:groupName")] if tag]
    where = f"arn:aws:autoscaling:{scope.call.region}:{scope.account_id}:autoScalingGroup"
    return [f"{where}:{scope.group_id(name)}:autoScalingGroupName/{name}" for name in names]


def _cloudformation(scope: Scope, params: dict[str, Any]) -> list[str]:
    name = params.get("StackName")
    return [scope.stack_arn(name)] if name else []


def _sqs(scope: Scope, params: dict[str, Any]) -> list[str]:
    name = params.get("QueueName") or params.get("QueueUrl", "").rpartition("/")[2]
    return [f"arn:aws:sqs:{scope.call.region}:{scope.account_id}:{name}"] if name else []


def _named(scope: Scope, params: dict[str, Any]) -> list[str]:
    """Resources that a call of another service names by their ARN."""
    return sorted(set(_arns(params)))


def _arns(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("arn:"):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _arns(item)
    elif isinstance(value, list):
        for item in value:
            yield from _arns(item)


_RESOURCES: dict[str, Callable[[Scope, dict[str, Any]], list[str]]] = {
    "ssm": _ssm,
    "autoscaling": _autoscaling,
    "cloudformation": _cloudformation,
    "sqs": _sqs,
}
