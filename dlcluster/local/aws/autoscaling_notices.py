"""What an Auto Scaling group tells SNS topics, and which metrics it is asked to send.

Source: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-sns-notifications.html
"""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dlcluster.local.aws.groups import Activity, Group, now
from dlcluster.local.aws.query import AwsError, Context, QueryService, page

log = logging.getLogger(__name__)
PREFIX = "autoscaling:"
LAUNCH, LAUNCH_ERROR, TERMINATE, TERMINATE_ERROR, TEST = (
    f"{PREFIX}{name}"
    for name in (
        "EC2_INSTANCE_LAUNCH", "EC2_INSTANCE_LAUNCH_ERROR", "EC2_INSTANCE_TERMINATE", "EC2_INSTANCE_TERMINATE_ERROR",
        "TEST_NOTIFICATION",
    )
)  # fmt: skip
TYPES = (LAUNCH, LAUNCH_ERROR, TERMINATE, TERMINATE_ERROR, TEST)
METRICS = (
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances",
    "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances", "GroupInServiceCapacity",
    "GroupPendingCapacity", "GroupStandbyCapacity", "GroupTerminatingCapacity", "GroupTotalCapacity",
    "WarmPoolDesiredCapacity", "WarmPoolWarmedCapacity", "WarmPoolPendingCapacity", "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity",
)  # fmt: skip
GRANULARITY = "1Minute"


class NoticeOperations(QueryService):
    """PutNotificationConfiguration, EnableMetricsCollection and what belongs to them."""

    _lock: threading.RLock
    _emulator: Any
    _groups: dict[tuple[str, str], Group]

    def _group(self, params: dict[str, Any], context: Context) -> Group:
        raise NotImplementedError

    def put_notification_configuration(self, params: dict[str, Any], context: Context) -> None:
        """Tell a topic what comes from now on; a test message goes there first."""
        topic, kinds = params["TopicARN"], params["NotificationTypes"]
        unknown = [kind for kind in kinds if kind not in TYPES]
        if unknown:
            raise AwsError("ValidationError", f'"{unknown[0]}" is not a valid Notification Type.')
        group = self._group(params, context)
        try:
            _publish(self._emulator, group, topic, f'test notification for group "{group.name}"', _test(group))
        except ClientError:
            message = f"Unable to publish test message to notification target {topic}."
            raise AwsError("ValidationError", message) from None
        with self._lock:
            for activity in group.activities:
                activity.told |= activity.ended is not None
            group.notices[topic] = list(dict.fromkeys(kinds))

    def delete_notification_configuration(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            self._group(params, context).notices.pop(params["TopicARN"], None)

    def describe_notification_configurations(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        wanted = params.get("AutoScalingGroupNames")
        with self._lock:
            found = [group for (region, _), group in self._groups.items() if region == context.region]
            rows = [
                {"AutoScalingGroupName": group.name, "TopicARN": topic, "NotificationType": kind}
                for group in found
                if not wanted or group.name in wanted
                for topic, kinds in group.notices.items()
                for kind in kinds
            ]
        chosen, token = page(rows, json.dumps, params.get("NextToken"), params.get("MaxRecords") or 50)
        return {"NotificationConfigurations": chosen, "NextToken": token}

    def describe_auto_scaling_notification_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"AutoScalingNotificationTypes": list(TYPES)}

    def enable_metrics_collection(self, params: dict[str, Any], context: Context) -> None:
        """Kept and told; no metric is collected here."""
        if params["Granularity"] != GRANULARITY:
            raise AwsError("ValidationError", f"Granularity must be {GRANULARITY}")
        with self._lock:
            self._group(params, context).metrics |= set(_metrics(params))

    def disable_metrics_collection(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            self._group(params, context).metrics -= set(_metrics(params))

    def describe_metric_collection_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Metrics": [{"Metric": name} for name in METRICS], "Granularities": [{"Granularity": GRANULARITY}]}


def _metrics(params: dict[str, Any]) -> list[str]:
    chosen = params.get("Metrics") or list(METRICS)
    unknown = [name for name in chosen if name not in METRICS]
    if unknown:
        raise AwsError("ValidationError", f"Unrecognized metric: {unknown[0]}")
    return list(chosen)


# -- telling ------------------------------------------------------------------------------------------


def tell(emulator: Any, lock: threading.RLock, group: Group) -> None:
    """Tell the group's topics of the activities that have ended since the last time."""
    if not group.notices:
        return
    with lock:
        news = [item for item in reversed(group.activities) if item.ended and not item.told]
        topics = {topic: list(kinds) for topic, kinds in group.notices.items()}
        for activity in news:
            activity.told = True
    for activity in news:
        kind = _kind(activity)
        verb = "launch" if kind in (LAUNCH, LAUNCH_ERROR) else "terminate"
        subject = f'{"failed " if kind == LAUNCH_ERROR else ""}{verb} for group "{group.name}"'
        for topic in [topic for topic, kinds in topics.items() if kind in kinds]:
            try:
                _publish(emulator, group, topic, subject, _message(group, activity, kind))
            except (ClientError, BotoCoreError) as error:  # it holds up no group, as on AWS
                log.debug("%s was not told: %s", topic, error)


def _kind(activity: Activity) -> str:
    if activity.description.startswith("Terminating"):
        return TERMINATE
    return LAUNCH if activity.code == "Successful" else LAUNCH_ERROR


def _message(group: Group, activity: Activity, kind: str) -> dict[str, Any]:
    identity = activity.description.rpartition(": ")[2]
    return {
        **_test(group),
        "Event": kind,
        "RequestId": activity.id,
        "ActivityId": activity.id,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": _moment(activity.started),
        "EndTime": _moment(activity.ended),
        "StatusCode": "Failed" if kind == LAUNCH_ERROR else "InProgress",
        "StatusMessage": activity.message,
        "Progress": 100 if kind == LAUNCH_ERROR else 50,
        "EC2InstanceId": identity if identity.startswith("i-") else "",
        "Details": json.loads(activity.details),
    }


def _test(group: Group) -> dict[str, Any]:
    return {
        "Service": "AWS Auto Scaling",
        "Time": _moment(now()),
        "Event": TEST,
        "AccountId": group.account_id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
    }


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def _publish(emulator: Any, group: Group, topic: str, subject: str, message: dict[str, Any]) -> None:
    client = emulator.client("sns", group.region, "autoscaling")
    client.publish(TopicArn=topic, Subject=f"Auto Scaling: {subject}"[:100], Message=json.dumps(message))
