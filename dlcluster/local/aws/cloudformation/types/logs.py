"""Log groups."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags


class LogGroup(Kind):
    name = "AWS::Logs::LogGroup"
    properties = names("LogGroupName RetentionInDays KmsKeyId LogGroupClass Tags")
    mutable = names("RetentionInDays Tags")

    def create(self, x: Step) -> None:
        group = x.get("LogGroupName") or x.unique_name()
        x.call(
            "logs",
            "create_log_group",
            logGroupName=group,
            kmsKeyId=x.get("KmsKeyId"),
            logGroupClass=x.get("LogGroupClass"),
            tags=x.tags or None,
        )
        x.made(group)
        if x.get("RetentionInDays"):
            self._retain(x)

    def _retain(self, x: Step) -> None:
        days = x.get("RetentionInDays")
        if days:
            x.call("logs", "put_retention_policy", logGroupName=x.physical_id, retentionInDays=days)
        else:
            x.call("logs", "delete_retention_policy", logGroupName=x.physical_id)

    def update(self, x: Step) -> None:
        if "RetentionInDays" in x.changed:
            self._retain(x)
        if "Tags" in x.changed:
            arn = self._arn(x).removesuffix(":*")
            if removed_tags(x):
                x.call("logs", "untag_resource", resourceArn=arn, tagKeys=removed_tags(x))
            if x.tags:
                x.call("logs", "tag_resource", resourceArn=arn, tags=x.tags)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("logs", "delete_log_group", logGroupName=x.physical_id)

    def _arn(self, x: Step) -> str:
        return f"arn:aws:logs:{x.host.region}:{x.host.account_id}:log-group:{x.physical_id}:*"

    def attribute(self, x: Step, name: str) -> Any:
        return self._arn(x) if name == "Arn" else None
