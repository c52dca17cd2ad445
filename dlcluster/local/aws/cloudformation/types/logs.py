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


class LogStream(Kind):
    name = "AWS::Logs::LogStream"
    properties = names("LogGroupName LogStreamName")

    def create(self, x: Step) -> None:
        stream = x.get("LogStreamName") or x.unique_name()
        x.call("logs", "create_log_stream", logGroupName=x.get("LogGroupName"), logStreamName=stream)
        x.made(stream)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("logs", "delete_log_stream", logGroupName=x.get("LogGroupName"), logStreamName=x.physical_id)


class MetricFilter(Kind):
    name = "AWS::Logs::MetricFilter"
    properties = names("FilterName FilterPattern LogGroupName MetricTransformations")
    mutable = names("FilterPattern MetricTransformations")

    def create(self, x: Step) -> None:
        name = x.get("FilterName") or x.unique_name()
        self._put(x, name)
        x.made(name)

    def _put(self, x: Step, name: str) -> None:
        x.call(
            "logs",
            "put_metric_filter",
            filterName=name,
            filterPattern=x.get("FilterPattern"),
            logGroupName=x.get("LogGroupName"),
            metricTransformations=[_transformation(item) for item in x.get("MetricTransformations")],
        )

    def update(self, x: Step) -> None:
        self.delete(x)  # the emulated service would keep the old one beside the new one
        self._put(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("logs", "delete_metric_filter", filterName=x.physical_id, logGroupName=x.get("LogGroupName"))


def _transformation(item: dict[str, Any]) -> dict[str, Any]:
    """As the API takes it: names begin small, dimensions are a map."""
    found = {f"{name[:1].lower()}{name[1:]}": value for name, value in item.items() if name != "Dimensions"}
    dimensions = {row["Key"]: row["Value"] for row in item.get("Dimensions") or []}
    return {**found, "dimensions": dimensions} if dimensions else found
