"""Instance types in pages: moto would write out all 1,400 of them, which takes seconds."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import Context, QueryService, page


class InstanceTypes(QueryService):
    """DescribeInstanceTypes; what names types or filters is answered by moto in one page."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def describe_instance_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params.get("InstanceTypes") or params.get("Filters"):
            return self._backend.call("ec2", "DescribeInstanceTypes", params, context.region)
        names = self._backend.instance_types(context.region)
        chosen, token = page(names, str, params.get("NextToken"), params.get("MaxResults") or 100)
        found = self._backend.call("ec2", "DescribeInstanceTypes", {"InstanceTypes": chosen}, context.region)
        return {"InstanceTypes": found["InstanceTypes"], **({"NextToken": token} if token else {})}
