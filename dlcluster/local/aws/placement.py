"""EC2 placement groups, which moto lacks; their tags live beside all other tags of EC2."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.query import AwsError, Context, QueryService


class PlacementGroups(QueryService):
    """CreatePlacementGroup, DescribePlacementGroups, DeletePlacementGroup."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend
        self._compute: Compute = emulator.compute
        self._groups = self._compute.placement_groups
        _make_taggable()

    def create_placement_group(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name = params.get("GroupName")
        if not name:
            raise AwsError("MissingParameter", "The request must contain the parameter groupName")
        strategy = params.get("Strategy", "cluster")
        group_id = f"pg-{uuid.uuid4().hex[:17]}"
        group = {
            "GroupName": name,
            "GroupId": group_id,
            "State": "available",
            "Strategy": strategy,
            "GroupArn": f"arn:aws:ec2:{context.region}:{context.account_id}:placement-group/{name}",
        }
        if strategy == "partition":
            group["PartitionCount"] = params.get("PartitionCount", 2)
        if strategy == "spread":
            group["SpreadLevel"] = params.get("SpreadLevel", "rack")
        with self._backend.lock:
            if (context.region, name) in self._groups:
                raise AwsError("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
            self._groups[context.region, name] = group
            tags = tags_for("placement-group", params.get("TagSpecifications", []))
            self._backend.ec2(context.region).create_tags([group_id], tags)
            return {"PlacementGroup": self._described(group, context.region)}

    def describe_placement_groups(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        names, ids = params.get("GroupNames", []), params.get("GroupIds", [])
        with self._backend.lock:
            groups = [
                self._described(group, region)
                for (region, _), group in self._groups.items()
                if region == context.region
            ]
        refuse_unknown(names, [group["GroupName"] for group in groups])
        refuse_unknown(ids, [group["GroupId"] for group in groups])
        chosen = [
            group
            for group in groups
            if (not names or group["GroupName"] in names)
            and (not ids or group["GroupId"] in ids)
            and all(_passes(group, item) for item in params.get("Filters", []))
        ]
        return {"PlacementGroups": chosen}

    def delete_placement_group(self, params: dict[str, Any], context: Context) -> None:
        name = params["GroupName"]
        with self._backend.lock:
            refuse_unknown([name], self._compute.group_names(context.region))
            if self._compute.in_use(context.region, name):
                raise AwsError(
                    "InvalidPlacementGroup.InUse",
                    f"The placement group '{name}' is in use and may not be deleted.",
                )
            group = self._groups.pop((context.region, name))
            self._backend.ec2(context.region).tags.pop(group["GroupId"], None)

    def _described(self, group: dict[str, Any], region: str) -> dict[str, Any]:
        tags = self._backend.ec2(region).tags.get(group["GroupId"], {})
        return {**group, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_for(kind: str, specifications: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The tags that TagSpecifications hold for a kind of resource."""
    return {
        tag["Key"]: tag.get("Value", "")
        for item in specifications
        if item.get("ResourceType") == kind
        for tag in item.get("Tags", [])
    }


def refuse_unknown(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raise AwsError(InvalidPlacementGroup.Unknown) for a placement group that is not known."""
    for name in set(wanted) - set(known):
        raise AwsError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")


_FILTERS = {
    "group-name": "GroupName",
    "group-arn": "GroupArn",
    "state": "State",
    "strategy": "Strategy",
    "spread-level": "SpreadLevel",
}


def _passes(group: dict[str, Any], condition: dict[str, Any]) -> bool:
    name = condition["Name"]
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    if name == "tag-key":
        values = list(tags)
    elif name.startswith("tag:"):
        values = [tags[name[4:]]] if name[4:] in tags else []
    elif name in _FILTERS:
        values = [group.get(_FILTERS[name], "")]
    else:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(matches(pattern, value) for pattern in condition.get("Values", []) for value in values)


def matches(pattern: str, value: str) -> bool:
    """EC2's filter wildcards: `*` and `?`."""
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, value) is not None


def _make_taggable() -> None:
    """Let moto's CreateTags, DeleteTags and DescribeTags accept placement groups, and name all kinds as EC2 does."""
    from moto.ec2 import utils

    utils.EC2_RESOURCE_TO_PREFIX["placement-group"] = "pg"
    utils.EC2_PREFIX_TO_RESOURCE |= {"pg": "placement-group", "nat": "natgateway", "eipalloc": "elastic-ip"}
