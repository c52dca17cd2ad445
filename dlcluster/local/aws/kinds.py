"""Instance types and where they are offered, from moto's tables: moto itself takes seconds to write them out."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.launch import fit
from dlcluster.local.aws.query import AwsError, Context, QueryService, page

PAGE = 100
_LOCATIONS = ("region", "availability-zone", "availability-zone-id", "outpost")
_OFFERED_BY = {"instance-type": "InstanceType", "location": "Location"}


class InstanceTypes(QueryService):
    """DescribeInstanceTypes and DescribeInstanceTypeOfferings."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def describe_instance_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """In pages of 100, unless types are named."""
        names = params.get("InstanceTypes")
        if names:
            return self._backend.call("ec2", "DescribeInstanceTypes", params, context.region)
        filters = {item["Name"]: item["Values"] for item in params.get("Filters") or []}
        kinds = self._backend.instance_types(context.region, filters)
        chosen, token = page(kinds, _name, params.get("NextToken"), params.get("MaxResults") or PAGE)
        shape: Any = self.model.operation_model("DescribeInstanceTypes").output_shape
        return {"InstanceTypes": fit(shape.members["InstanceTypes"], chosen), **({"NextToken": token} if token else {})}

    def describe_instance_type_offerings(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """In pages when MaxResults asks for them; wildcards are allowed in filters."""
        location = params.get("LocationType") or "region"
        if location not in _LOCATIONS:
            raise AwsError("InvalidParameterValue", f"Value ({location}) for parameter locationType is invalid.")
        rows = self._backend.offerings(context.region, location)
        for item in params.get("Filters") or []:
            if item["Name"] not in _OFFERED_BY:
                raise AwsError("InvalidFilter", f"The filter '{item['Name']}' is invalid")
            field, wanted = _OFFERED_BY[item["Name"]], _any_of(item["Values"])
            rows = [row for row in rows if wanted.fullmatch(row[field])]
        limit = params.get("MaxResults") or max(1, len(rows))
        chosen, token = page(rows, _offer, params.get("NextToken"), limit)
        return {"InstanceTypeOfferings": chosen, **({"NextToken": token} if token else {})}


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


def _name(kind: dict[str, Any]) -> str:
    return str(kind["InstanceType"])


def _offer(row: dict[str, Any]) -> str:
    return f"{row['InstanceType']} {row['Location']}"
