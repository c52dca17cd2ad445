"""What a group tells its topics, and the metrics that it is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.capacity import Rule

IMAGE = "ami-12c6146b"
LAUNCH, TERMINATE = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"


class Fleet:
    """An empty group, a topic and a queue that listens to it."""

    def __init__(self, cloud: Any, wait: Any) -> None:
        self.cloud, self.wait = cloud, wait
        self.scaling, self.sns, self.sqs = (cloud.client(name) for name in ("autoscaling", "sns", "sqs"))
        _, subnet, _ = cloud.network()
        cloud.client("ec2").create_launch_template(
            LaunchTemplateName="tpl", LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t3.micro"}
        )
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName="g", MinSize=0, MaxSize=3, VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateName": "tpl"},
        )  # fmt: skip
        self.topic = self.sns.create_topic(Name="news")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="news")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

    def resize(self, desired: int) -> None:
        self.scaling.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=desired)

    def heard(self, count: int) -> list[dict[str, Any]]:
        """The next messages, in no order."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            rows = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
            for row in rows:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=row["ReceiptHandle"])
                found.append(json.loads(row["Body"]))
            return len(found) >= count

        self.wait(look)
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def fleet(cloud: Any, wait_until: Any) -> Fleet:
    return Fleet(cloud, wait_until)


def test_a_topic_hears_of_launches_terminations_and_failures(fleet: Fleet) -> None:
    kinds = [LAUNCH, TERMINATE, "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"]
    group = {"AutoScalingGroupName": "g"}
    fleet.scaling.put_notification_configuration(**group, TopicARN=fleet.topic, NotificationTypes=kinds)
    assert [item["Event"] for item in fleet.heard(1)] == ["autoscaling:TEST_NOTIFICATION"]
    told = fleet.scaling.describe_notification_configurations()["NotificationConfigurations"]
    assert [row["NotificationType"] for row in told] == kinds
    fleet.resize(2)
    news = fleet.heard(2)
    assert {item["Event"] for item in news} == {LAUNCH}
    members = fleet.scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
    assert {item["EC2InstanceId"] for item in news} == {item["InstanceId"] for item in members}
    assert {item["AutoScalingGroupName"] for item in news} == {"g"}
    fleet.resize(1)
    assert [item["Event"] for item in fleet.heard(1)] == [TERMINATE]
    fleet.cloud.emulator.capacity.set(Rule("t3.micro", 1))
    fleet.resize(2)
    failed = fleet.heard(1)[0]
    assert failed["Event"] == "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"
    assert "capacity" in failed["StatusMessage"]
    fleet.scaling.delete_notification_configuration(**group, TopicARN=fleet.topic)
    fleet.cloud.emulator.capacity.clear()
    assert not fleet.scaling.describe_notification_configurations(AutoScalingGroupNames=["g"])[
        "NotificationConfigurations"
    ]


def test_metrics_are_enabled_and_disabled_by_name(fleet: Fleet) -> None:
    group = {"AutoScalingGroupName": "g"}

    def enabled() -> list[str]:
        found = fleet.scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["EnabledMetrics"]
        return [row["Metric"] for row in found]

    fleet.scaling.enable_metrics_collection(**group, Granularity="1Minute", Metrics=["GroupMinSize", "GroupMaxSize"])
    assert enabled() == ["GroupMaxSize", "GroupMinSize"]
    fleet.scaling.disable_metrics_collection(**group, Metrics=["GroupMinSize"])
    assert enabled() == ["GroupMaxSize"]
    fleet.scaling.enable_metrics_collection(**group, Granularity="1Minute")
    known = fleet.scaling.describe_metric_collection_types()["Metrics"]
    assert len(enabled()) == len(known)
    fleet.scaling.disable_metrics_collection(**group)
    assert enabled() == []


@pytest.mark.parametrize(
    "change", [{"TopicARN": "arn:aws:sns:us-east-1:123456789012:no"}, {"NotificationTypes": ["autoscaling:NONE"]}]
)
def test_what_cannot_be_told_is_refused(fleet: Fleet, change: dict[str, Any]) -> None:
    request = {"AutoScalingGroupName": "g", "TopicARN": fleet.topic, "NotificationTypes": [LAUNCH], **change}
    with pytest.raises(ClientError, match="ValidationError"):
        fleet.scaling.put_notification_configuration(**request)
