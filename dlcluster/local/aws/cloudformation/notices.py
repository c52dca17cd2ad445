"""Events of stacks told to SNS topics, in the text that CloudFormation sends.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-add-tags.html and the messages that
its notifications carry: one `Name='value'` a line.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.model import Stack
    from dlcluster.local.aws.front import Emulator

log = logging.getLogger(__name__)
SUBJECT = "AWS CloudFormation Notification"
_FIELDS = (
    "StackId", "Timestamp", "EventId", "LogicalResourceId", "Namespace", "PhysicalResourceId", "PrincipalId",
    "ResourceProperties", "ResourceStatus", "ResourceStatusReason", "ResourceType", "StackName", "ClientRequestToken",
)  # fmt: skip


class Notices:
    """A queue with a thread that lasts as long as something waits in it: a stack never waits for its topics."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._waiting: deque[tuple[str, tuple[str, ...], str]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, stack: Stack, event: dict[str, Any]) -> None:
        """Tell the stack's topics of an event, after those that were added before."""
        with self._lock:
            self._waiting.append((stack.region, stack.target.topics, message(stack.account_id, event)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                region, topics, text = self._waiting.popleft()
            sns = self._emulator.client("sns", region, "cloudformation")
            for topic in topics:
                try:
                    sns.publish(TopicArn=topic, Subject=SUBJECT, Message=text)
                except (ClientError, BotoCoreError) as error:  # it fails no stack, as on AWS
                    log.debug("%s was not told: %s", topic, error)


def message(account_id: str, event: dict[str, Any]) -> str:
    """An event as its subscribers read it."""
    moment = event["Timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = {**event, "Timestamp": moment, "Namespace": account_id, "PrincipalId": account_id}
    shown["ClientRequestToken"] = event.get("ClientRequestToken") or "null"
    return "".join(f"{name}='{shown.get(name) or ''}'\n" for name in _FIELDS)
