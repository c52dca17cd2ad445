"""Tags on EC2 resources: with the call that creates them, and later."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Step, removed_tags, tag_list


def tagged(x: Step, kind: str) -> list[dict[str, Any]] | None:
    """The TagSpecifications of a create call."""
    return [{"ResourceType": kind, "Tags": tag_list(x.tags)}] if x.tags else None


def retag(x: Step, resource_id: str) -> None:
    """Bring the tags of an existing resource to x.tags."""
    gone = removed_tags(x)
    if gone:
        x.call("ec2", "delete_tags", Resources=[resource_id], Tags=[{"Key": key} for key in gone])
    if x.tags:
        x.call("ec2", "create_tags", Resources=[resource_id], Tags=tag_list(x.tags))
