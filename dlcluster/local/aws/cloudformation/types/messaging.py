"""Topics and queues, what subscribes to them, and their policies."""

from __future__ import annotations

import json
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


def _text(value: Any) -> str:
    """An attribute as SNS and SQS take it: everything is a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


class Topic(Kind):
    name = "AWS::SNS::Topic"
    _attributes = ("DisplayName", "FifoTopic", "ContentBasedDeduplication", "KmsMasterKeyId", "SignatureVersion",
                   "TracingConfig")  # fmt: skip
    properties = names(" ".join(_attributes) + " TopicName Subscription Tags")
    mutable = properties - names("TopicName FifoTopic")

    def taken(self, x: Step) -> str:
        name = x.get("TopicName")
        arn = f"arn:aws:sns:{x.host.region}:{x.host.account_id}:{name}"
        return name if name and exists(x, "sns", "get_topic_attributes", TopicArn=arn) else ""

    def create(self, x: Step) -> None:
        fifo = x.flag("FifoTopic")
        name = x.get("TopicName") or x.unique_name(250) + (".fifo" if fifo else "")
        given = {key: _text(value) for key, value in x.only(*self._attributes).items()}
        answer = x.call("sns", "create_topic", Name=name, Attributes=given or None, Tags=tag_list(x.tags) or None)
        x.made(answer["TopicArn"])
        self._subscribe(x, x.get("Subscription") or [])

    def _subscribe(self, x: Step, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            x.call("sns", "subscribe", TopicArn=x.physical_id, Protocol=row["Protocol"], Endpoint=row["Endpoint"])

    def update(self, x: Step) -> None:
        for name in sorted(x.changed.intersection(self._attributes)):
            value = _text(x.get(name, ""))
            x.call("sns", "set_topic_attributes", TopicArn=x.physical_id, AttributeName=name, AttributeValue=value)
        if "Subscription" in x.changed:
            old, new = x.old.get("Subscription") or [], x.get("Subscription") or []
            self._subscribe(x, [row for row in new if row not in old])
            self._unsubscribe(x, [row for row in old if row not in new])
        if "Tags" in x.changed:
            if removed_tags(x):
                x.call("sns", "untag_resource", ResourceArn=x.physical_id, TagKeys=removed_tags(x))
            if x.tags:
                x.call("sns", "tag_resource", ResourceArn=x.physical_id, Tags=tag_list(x.tags))

    def _unsubscribe(self, x: Step, rows: list[dict[str, Any]]) -> None:
        for item in x.call("sns", "list_subscriptions_by_topic", TopicArn=x.physical_id)["Subscriptions"]:
            if any((row["Protocol"], row["Endpoint"]) == (item["Protocol"], item["Endpoint"]) for row in rows):
                x.call("sns", "unsubscribe", SubscriptionArn=item["SubscriptionArn"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            self._unsubscribe(x, x.get("Subscription") or [])
            x.call("sns", "delete_topic", TopicArn=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "TopicName":
            return x.physical_id.rpartition(":")[2]
        return x.physical_id if name == "TopicArn" else None


class Subscription(Kind):
    name = "AWS::SNS::Subscription"
    _attributes = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "DeliveryPolicy",
                   "SubscriptionRoleArn")  # fmt: skip
    properties = names(" ".join(_attributes) + " TopicArn Protocol Endpoint")
    mutable = frozenset(_attributes)

    def create(self, x: Step) -> None:
        given = {key: _text(value) for key, value in x.only(*self._attributes).items()}
        answer = x.call(
            "sns",
            "subscribe",
            **x.only("TopicArn", "Protocol", "Endpoint"),
            Attributes=given or None,
            ReturnSubscriptionArn=True,
        )
        x.made(answer["SubscriptionArn"])

    def update(self, x: Step) -> None:
        for name in sorted(x.changed):
            request = {"AttributeName": name, "AttributeValue": _text(x.get(name, ""))}
            x.call("sns", "set_subscription_attributes", SubscriptionArn=x.physical_id, **request)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("sns", "unsubscribe", SubscriptionArn=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Arn" else None


class TopicPolicy(Kind):
    """A topic always has a policy: the deletion puts the one back that every topic begins with."""

    name = "AWS::SNS::TopicPolicy"
    properties = mutable = names("PolicyDocument Topics")

    def create(self, x: Step) -> None:
        policy = x.unique_name()
        for topic in x.get("Topics"):
            self._set(x, topic, x.get("PolicyDocument"))
            x.made(policy)

    def _set(self, x: Step, topic: str, document: Any) -> None:
        value = _text(document)
        x.call("sns", "set_topic_attributes", TopicArn=topic, AttributeName="Policy", AttributeValue=value)

    def update(self, x: Step) -> None:
        for topic in x.get("Topics"):
            self._set(x, topic, x.get("PolicyDocument"))
        self._drop(x, [topic for topic in x.old["Topics"] if topic not in x.get("Topics")])

    def _drop(self, x: Step, topics: list[str]) -> None:
        for topic in topics:
            with missing_is_fine():
                self._set(x, topic, _default_policy(topic, x.host.account_id))

    def delete(self, x: Step) -> None:
        self._drop(x, x.get("Topics"))

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


def _default_policy(topic: str, account: str) -> dict[str, Any]:
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
               "Subscribe", "ListSubscriptionsByTopic", "Publish")  # fmt: skip
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}


class Queue(Kind):
    name = "AWS::SQS::Queue"
    _attributes = (
        "ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled",
        "VisibilityTimeout",
    )  # fmt: skip
    properties = names(" ".join(_attributes) + " QueueName Tags")
    mutable = properties - names("QueueName FifoQueue")

    def taken(self, x: Step) -> str:
        name = x.get("QueueName")
        return name if name and exists(x, "sqs", "get_queue_url", QueueName=name) else ""

    def create(self, x: Step) -> None:
        fifo = x.flag("FifoQueue")
        name = x.get("QueueName") or x.unique_name(75) + (".fifo" if fifo else "")
        answer = x.call("sqs", "create_queue", QueueName=name, Attributes=self._given(x) or None, tags=x.tags or None)
        x.made(answer["QueueUrl"], Arn=f"arn:aws:sqs:{x.host.region}:{x.host.account_id}:{name}", QueueName=name)

    def _given(self, x: Step) -> dict[str, str]:
        return {key: _text(value) for key, value in x.only(*self._attributes).items()}

    def update(self, x: Step) -> None:
        changed = x.changed.intersection(self._attributes)
        if changed:
            request = {name: _text(x.get(name, "")) for name in sorted(changed)}
            x.call("sqs", "set_queue_attributes", QueueUrl=x.physical_id, Attributes=request)
        if "Tags" in x.changed:
            if removed_tags(x):
                x.call("sqs", "untag_queue", QueueUrl=x.physical_id, TagKeys=removed_tags(x))
            if x.tags:
                x.call("sqs", "tag_queue", QueueUrl=x.physical_id, Tags=x.tags)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("sqs", "delete_queue", QueueUrl=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "QueueUrl" else x.memo.get(name)


class QueuePolicy(Kind):
    name = "AWS::SQS::QueuePolicy"
    properties = mutable = names("PolicyDocument Queues")

    def create(self, x: Step) -> None:
        policy = x.unique_name()
        for queue in x.get("Queues"):
            self._set(x, queue, _text(x.get("PolicyDocument")))
            x.made(policy)

    def _set(self, x: Step, queue: str, value: str) -> None:
        x.call("sqs", "set_queue_attributes", QueueUrl=queue, Attributes={"Policy": value})

    def update(self, x: Step) -> None:
        for queue in x.get("Queues"):
            self._set(x, queue, _text(x.get("PolicyDocument")))
        self._drop(x, [queue for queue in x.old["Queues"] if queue not in x.get("Queues")])

    def _drop(self, x: Step, queues: list[str]) -> None:
        for queue in queues:
            with missing_is_fine():
                self._set(x, queue, "")

    def delete(self, x: Step) -> None:
        self._drop(x, x.get("Queues"))

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None
