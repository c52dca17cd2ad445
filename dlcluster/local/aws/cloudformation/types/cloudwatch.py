"""Alarms and dashboards. No metric is collected here, so an alarm stays in INSUFFICIENT_DATA."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import (
    Kind,
    Step,
    exists,
    missing_is_fine,
    names,
    removed_tags,
    tag_list,
)


class Alarm(Kind):
    name = "AWS::CloudWatch::Alarm"
    _put = "put_metric_alarm"
    _given: tuple[str, ...] = (
        "ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator", "DatapointsToAlarm", "Dimensions",
        "EvaluateLowSampleCountPercentile", "EvaluationPeriods", "ExtendedStatistic", "InsufficientDataActions",
        "MetricName", "Metrics", "Namespace", "OKActions", "Period", "Statistic", "Threshold", "ThresholdMetricId",
        "TreatMissingData", "Unit",
    )  # fmt: skip
    properties = names(" ".join(_given) + " AlarmName Tags")
    mutable = properties - names("AlarmName")

    def taken(self, x: Step) -> str:
        name = x.get("AlarmName")
        if not name:
            return ""
        kinds = ["MetricAlarm", "CompositeAlarm"]
        found = x.call("cloudwatch", "describe_alarms", AlarmNames=[name], AlarmTypes=kinds)
        return name if found.get("MetricAlarms") or found.get("CompositeAlarms") else ""

    def create(self, x: Step) -> None:
        alarm = x.get("AlarmName") or x.unique_name()
        x.call("cloudwatch", self._put, AlarmName=alarm, **x.only(*self._given), Tags=tag_list(x.tags) or None)
        x.made(alarm)

    def update(self, x: Step) -> None:
        if x.changed - {"Tags"}:
            x.call("cloudwatch", self._put, AlarmName=x.physical_id, **x.only(*self._given))
        if "Tags" in x.changed:
            arn = self._arn(x)
            if removed_tags(x):
                x.call("cloudwatch", "untag_resource", ResourceARN=arn, TagKeys=removed_tags(x))
            if x.tags:
                x.call("cloudwatch", "tag_resource", ResourceARN=arn, Tags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("cloudwatch", "delete_alarms", AlarmNames=[x.physical_id])

    def _arn(self, x: Step) -> str:
        return f"arn:aws:cloudwatch:{x.host.region}:{x.host.account_id}:alarm:{x.physical_id}"

    def attribute(self, x: Step, name: str) -> Any:
        return self._arn(x) if name == "Arn" else None


class CompositeAlarm(Alarm):
    name = "AWS::CloudWatch::CompositeAlarm"
    _put = "put_composite_alarm"
    _given = (
        "ActionsEnabled", "ActionsSuppressor", "ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod",
        "AlarmActions", "AlarmDescription", "AlarmRule", "InsufficientDataActions", "OKActions",
    )  # fmt: skip
    properties = names(" ".join(_given) + " AlarmName Tags")
    mutable = properties - names("AlarmName")


class Dashboard(Kind):
    name = "AWS::CloudWatch::Dashboard"
    properties = names("DashboardBody DashboardName")
    mutable = names("DashboardBody")

    def taken(self, x: Step) -> str:
        name = x.get("DashboardName")
        return name if name and exists(x, "cloudwatch", "get_dashboard", DashboardName=name) else ""

    def create(self, x: Step) -> None:
        dashboard = x.get("DashboardName") or x.unique_name()
        self._put(x, dashboard)
        x.made(dashboard)

    def _put(self, x: Step, dashboard: str) -> None:
        x.call("cloudwatch", "put_dashboard", DashboardName=dashboard, DashboardBody=x.get("DashboardBody"))

    def update(self, x: Step) -> None:
        self._put(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("cloudwatch", "delete_dashboards", DashboardNames=[x.physical_id])
