"""Options of an instance's metadata service: changed as on AWS, where moto would reset what is not named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService

_TAG_KEY = re.compile(r"[0-9a-zA-Z\-_+=,.@:]{1,255}")
_WHILE_STOPPED = ("InstanceType", "UserData", "EbsOptimized", "Kernel", "Ramdisk", "EnaSupport", "SriovNetSupport")
_FIELDS = {
    "HttpTokens": "http_tokens",
    "HttpPutResponseHopLimit": "http_put_response_hop_limit",
    "HttpEndpoint": "http_endpoint",
    "HttpProtocolIpv6": "http_protocol_ipv6",
    "InstanceMetadataTags": "instance_metadata_tags",
}


class InstanceOptions(QueryService):
    """ModifyInstanceMetadataOptions, and what of an instance changes only while it is stopped."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def modify_instance_attribute(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        instance_id, named = params["InstanceId"], params.get("Attribute", "")
        named = named[:1].upper() + named[1:]
        with self._backend.lock:
            state = self._backend.instance(context.region, instance_id)._state.name
            if state != "stopped" and any(name in params or name == named for name in _WHILE_STOPPED):
                message = f"The instance '{instance_id}' is not in the 'stopped' state."
                raise AwsError("IncorrectInstanceState", message)
            return self._backend.call("ec2", "ModifyInstanceAttribute", params, context.region)

    def modify_instance_metadata_options(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        instance_id = params["InstanceId"]
        with self._backend.lock:
            options = self._backend.instance(context.region, instance_id).metadata_options
            if params.get("InstanceMetadataTags") == "enabled":
                check_tag_keys(self._backend.ec2(context.region).tags.get(instance_id, {}))
            for name, field in _FIELDS.items():
                if name in params:
                    setattr(options, field, params[name])
            shown = {name: getattr(options, field) for name, field in _FIELDS.items()}
        return {"InstanceId": instance_id, "InstanceMetadataOptions": {"State": "pending", **shown}}


def check_tag_keys(keys: Iterable[str]) -> None:
    """Refuse tag keys that the metadata service cannot show (a path is made of them)."""
    for key in keys:
        if not _TAG_KEY.fullmatch(key) or key in (".", "..", "_index"):
            raise AwsError(
                "InvalidParameterValue",
                f"'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and "
                "must not be a reserved name ('.', '..', '_index')",
            )
