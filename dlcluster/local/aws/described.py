"""DescribeInstances: pages of 1,000 reservations, wildcards in every filter, a thousand instances in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from fnmatch import translate
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService, Response, page
from dlcluster.local.aws.wire import parse_form

PAGE = 1000
_LEAST = 5
_ID = re.compile("i-[0-9a-f]{8}(?:[0-9a-f]{9})?")


class InstanceDescriptions(QueryService):
    """DescribeInstances, in moto's words of its instances."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def implements(self, action: str) -> bool:
        return action == "DescribeInstances"

    def _call(self, action: str, form: Mapping[str, str], context: Context, body: bytes) -> Response:
        params = parse_form(self.model.operation_model(action), form)
        with self._backend.lock:
            found = self._described(params, context.region)
            return Response(200, self._backend.ec2_answer(action, found, context.request_id))

    def _described(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        """A page of reservations, each with those of its instances that were asked for."""
        named, limit = params.get("InstanceIds"), params.get("MaxResults")
        _check(named, limit)
        if params.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)
        tests = [_test(item["Name"], item.get("Values") or []) for item in params.get("Filters") or []]
        reservations = list(self._backend.ec2(region).reservations.values())
        if named:
            wanted = set(named)
            _refuse_unknown(named, {item.id for one in reservations for item in one.instances})
            tests.append(lambda _, instance: instance.id in wanted)
        found = list(_chosen(reservations, tests))
        rows, token = page(found, lambda item: str(item.id), params.get("NextToken"), limit or PAGE)
        return {"Reservations": rows, "NextToken": token}


def _check(named: list[str] | None, limit: int | None) -> None:
    if limit is None:
        return
    if named:
        message = "The parameter instancesSet cannot be used with the parameter maxResults"
        raise AwsError("InvalidParameterCombination", message)
    if not _LEAST <= limit <= PAGE:
        expected = f"greater than {_LEAST}" if limit < _LEAST else f"less than or equal to {PAGE}"
        message = f"Value ( {limit} ) for parameter maxResults is invalid. Expecting a value {expected}."
        raise AwsError("InvalidParameterValue", message)


def _refuse_unknown(named: list[str], known: set[str]) -> None:
    for item in named:
        if not _ID.fullmatch(item):
            raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{item}"')
    unknown = [item for item in dict.fromkeys(named) if item not in known]
    if unknown:
        what = f"ID '{unknown[0]}' does" if len(unknown) == 1 else f"IDs '{', '.join(unknown)}' do"
        raise AwsError("InvalidInstanceID.NotFound", f"The instance {what} not exist")


def _chosen(reservations: Iterable[Any], tests: list[Test]) -> Iterable[Any]:
    for reservation in reservations:
        instances = [item for item in reservation.instances if all(test(reservation, item) for test in tests)]
        if instances:
            shown = copy(reservation)
            shown.instances = instances
            yield shown


# -- filters ------------------------------------------------------------------------------------------

Test = Callable[[Any, Any], bool]  # of a reservation and an instance

_VALUES: dict[str, Callable[[Any], Any]] = {
    "architecture": lambda item: item.architecture,
    "availability-zone": lambda item: item.placement.zone,
    "client-token": lambda item: item.client_token,
    "dns-name": lambda item: item.public_dns_name,
    "group-id": lambda item: [group.id for group in item.security_groups],
    "group-name": lambda item: [group.name for group in item.security_groups],
    "hypervisor": lambda item: item.hypervisor,
    "iam-instance-profile.arn": lambda item: (item.iam_instance_profile or {}).get("Arn"),
    "iam-instance-profile.id": lambda item: (item.iam_instance_profile or {}).get("Id"),
    "image-id": lambda item: item.image_id,
    "instance-id": lambda item: item.id,
    "instance-lifecycle": lambda item: item.lifecycle,
    "instance-state-code": lambda item: item.state_code,
    "instance-state-name": lambda item: item.state,
    "instance-type": lambda item: item.instance_type,
    "ip-address": lambda item: item.public_ip,
    "key-name": lambda item: item.key_name,
    "launch-index": lambda item: item.ami_launch_index,
    "launch-time": lambda item: item.launch_time.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "metadata-options.http-endpoint": lambda item: item.metadata_options.http_endpoint,
    "metadata-options.http-tokens": lambda item: item.metadata_options.http_tokens,
    "metadata-options.instance-metadata-tags": lambda item: item.metadata_options.instance_metadata_tags,
    "monitoring-state": lambda item: item.monitoring_state,
    "network-interface.network-interface-id": lambda item: [nic.id for nic in item.nics.values()],
    "network-interface.private-dns-name": lambda item: item.private_dns_name,
    "network-interface.subnet-id": lambda item: [nic.subnet.id for nic in item.nics.values()],
    "owner-id": lambda item: item.owner_id,
    "placement-group-name": lambda item: item.placement.group_name,
    "platform": lambda item: item.platform,
    "private-dns-name": lambda item: item.private_dns_name,
    "private-ip-address": lambda item: item.private_ip,
    "product-code": lambda item: item.product_codes,
    "root-device-name": lambda item: item.root_device_name,
    "root-device-type": lambda item: item.root_device_type,
    "source-dest-check": lambda item: item.source_dest_check,
    "state-reason-code": lambda item: item.state_reason.code,
    "subnet-id": lambda item: item.subnet_id,
    "tag-key": lambda item: [tag["key"] for tag in item.get_tags()],
    "tag-value": lambda item: [tag["value"] for tag in item.get_tags()],
    "tenancy": lambda item: item.placement.tenancy,
    "virtualization-type": lambda item: item.virtualization_type,
    "vpc-id": lambda item: item.vpc_id,
}
_VALUES["instance.group-id"] = _VALUES["group-id"]
_VALUES["instance.group-name"] = _VALUES["group-name"]


def _test(name: str, patterns: list[str]) -> Test:
    """Whether a filter lets an instance pass. Raises AwsError for a filter that is not known here."""
    fits = re.compile("|".join(translate(_aws(item)) for item in patterns) or "(?!)", re.DOTALL).match
    if name == "reservation-id":
        return lambda reservation, _: bool(fits(reservation.id))
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda _, item: any(tag["key"] == key and fits(tag["value"]) for tag in item.get_tags())
    if name not in _VALUES:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    value = _VALUES[name]
    return lambda _, item: any(fits(text) for text in _texts(value(item)))


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [] if value is None else [str(value)]


def _aws(pattern: str) -> str:
    """EC2 knows * and ?, and no sets of characters."""
    return pattern.replace("[", "[[]")
