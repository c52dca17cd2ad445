"""What the service remembers: stacks, their resources, events and signals."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.cloudformation.parameters import Parameters
from dlcluster.local.aws.cloudformation.stack_policy import StackPolicy
from dlcluster.local.aws.cloudformation.template import Definition, Template
from dlcluster.local.aws.query import AwsError

STACK_TYPE = "AWS::CloudFormation::Stack"


def now() -> datetime:
    """The time, with a zone."""
    return datetime.now(UTC)


def failed(status: str) -> str:
    """The status of a stack whose operation broke off in this one."""
    return f"{status.removesuffix('_IN_PROGRESS').removesuffix('_CLEANUP').removesuffix('_COMPLETE')}_FAILED"


@dataclass
class Resource:
    """One physical resource. `physical_id` is empty until its first call answered.

    properties and tags are the resolved values that were last applied; depends are logical ids; memo is what
    the type must remember to find and delete it.
    """

    definition: Definition
    properties: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    depends: frozenset[str] = frozenset()
    physical_id: str = ""
    memo: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    reason: str = ""
    changed_at: datetime = field(default_factory=now)

    @property
    def logical_id(self) -> str:
        return self.definition.logical_id

    @property
    def type(self) -> str:
        return self.definition.type


@dataclass(frozen=True)
class Signal:
    """A message from a node that it is ready, or not."""

    unique_id: str
    success: bool
    reason: str = ""
    data: str = ""


@dataclass(frozen=True)
class Target:
    """What a stack is to become: the input of one create or update."""

    template: Template
    parameters: Parameters
    tags: Mapping[str, str]
    capabilities: tuple[str, ...] = ()
    role_arn: str = ""
    topics: tuple[str, ...] = ()


@dataclass
class Options:
    """How a deployment behaves when something fails."""

    on_failure: str = "ROLLBACK"
    timeout_minutes: int | None = None
    token: str = ""


@dataclass
class Stack:
    """A stack and its history. Readers and the operation's threads share it under `lock`."""

    name: str
    id: str
    region: str
    account_id: str
    target: Target
    tell: Callable[[Stack, dict[str, Any]], None]  # hears of every event when the stack has topics
    status: str = ""
    reason: str = ""
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None
    options: Options = field(default_factory=Options)
    protected: bool = False
    policy: StackPolicy | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    trash: list[Resource] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    signals: dict[str, list[Signal]] = field(default_factory=lambda: defaultdict(list))
    change_sets: dict[str, Any] = field(default_factory=dict)
    change_set_id: str = ""
    parent_id: str = ""  # of a stack within a stack: the one that has it as a resource, and the outermost
    root_id: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    operation: Any = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def gone(self) -> bool:
        return self.status == "DELETE_COMPLETE"

    def repeats(self, action: str, params: dict[str, Any]) -> bool:
        """Whether this very request has begun its operation before, as its token tells.

        Raises AwsError(TokenAlreadyExistsException) for a token that began something else.
        """
        token = params.get("ClientRequestToken")
        if not token or token not in self.tokens:
            return False
        if self.tokens[token] != _digest(action, params):
            raise AwsError("TokenAlreadyExistsException", f"Client request token [{token}] already exists")
        return True

    def begin(self, action: str, params: dict[str, Any], options: Options) -> None:
        """A request is accepted: its options and its token count from now on."""
        options.token = params.get("ClientRequestToken") or ""
        self.options = options
        if options.token:
            self.tokens[options.token] = _digest(action, params)

    def set_status(self, status: str, reason: str = "") -> None:
        """Move the stack to a status and write the event."""
        with self.lock:
            self.status, self.reason = status, reason
            self._record(self.name, self.id, STACK_TYPE, status, reason)

    def set_resource(self, resource: Resource, status: str, reason: str = "", properties: str = "") -> None:
        """Move a resource to a status and write the event."""
        with self.lock:
            resource.status, resource.reason, resource.changed_at = status, reason, now()
            self._record(
                resource.logical_id, resource.physical_id, resource.type, status, reason, properties=properties
            )

    def interrupt(self, reason: str) -> None:
        """What was in progress has failed, the stack and its resources alike."""
        for resource in self.resources.values():
            if resource.status.endswith("_IN_PROGRESS"):
                self.set_resource(resource, resource.status.replace("_IN_PROGRESS", "_FAILED"), reason)
        self.set_status(failed(self.status), reason)

    def _record(
        self, logical_id: str, physical_id: str, kind: str, status: str, reason: str, *, properties: str = ""
    ) -> None:
        event = {
            "StackId": self.id,
            "StackName": self.name,
            "EventId": str(uuid.uuid4()) if kind == STACK_TYPE else f"{logical_id}-{uuid.uuid4()}",
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "Timestamp": now(),
            "ResourceStatus": status,
            "ResourceStatusReason": reason or None,
            "ResourceProperties": properties or None,
            "ClientRequestToken": self.options.token or None,
        }
        self.events.append(event)
        if self.target.topics:
            self.tell(self, event)


def _digest(action: str, params: dict[str, Any]) -> str:
    """Which request it is: operation and parameters."""
    return hashlib.sha256(json.dumps([action, params], sort_keys=True).encode()).hexdigest()
