"""Parameters of the parameter store."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags, tag_list


class Parameter(Kind):
    name = "AWS::SSM::Parameter"
    properties = names("Name Type Value Description AllowedPattern DataType Tier Tags")
    mutable = properties - names("Name")
    _given = ("Type", "Value", "Description", "AllowedPattern", "DataType", "Tier")

    def create(self, x: Step) -> None:
        name = x.get("Name") or f"CFN-{x.unique_name()}"
        x.call("ssm", "put_parameter", Name=name, **x.only(*self._given), Tags=tag_list(x.tags) or None)
        x.made(name)

    def update(self, x: Step) -> None:
        if x.changed - {"Tags"}:
            x.call("ssm", "put_parameter", Name=x.physical_id, Overwrite=True, **x.only(*self._given))
        if "Tags" in x.changed:
            resource = {"ResourceType": "Parameter", "ResourceId": x.physical_id}
            if removed_tags(x):
                x.call("ssm", "remove_tags_from_resource", **resource, TagKeys=removed_tags(x))
            if x.tags:
                x.call("ssm", "add_tags_to_resource", **resource, Tags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ssm", "delete_parameter", Name=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "Arn":
            path = x.physical_id.lstrip("/")
            return f"arn:aws:ssm:{x.host.region}:{x.host.account_id}:parameter/{path}"
        return x.physical_id if name == "Name" else super().attribute(x, name)
