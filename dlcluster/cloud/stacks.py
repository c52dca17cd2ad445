"""The life of one CloudFormation stack: plan a change, execute exactly that plan, follow it, delete it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dlcluster.cloud.session import Session, aws_errors
from dlcluster.errors import Exit, UserError

CAPABILITIES = ["CAPABILITY_IAM"]
# States of a stack that holds nothing worth keeping: it is deleted before a new one takes its name.
DEBRIS = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


@dataclass(frozen=True)
class Stack:
    """What DescribeStacks says of one stack."""

    name: str
    id: str
    status: str
    reason: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    tags: dict[str, str]
    created: datetime

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Event:
    """One line of a stack's progress."""

    id: str
    logical_id: str
    type: str
    status: str
    reason: str
    time: datetime

    @property
    def failed(self) -> bool:
        return self.status.endswith("_FAILED")


@dataclass(frozen=True)
class Change:
    """One row of a change set: action Add | Modify | Remove, replacement True | False | Conditional | ''."""

    action: str
    logical_id: str
    type: str
    replacement: str
    properties: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A change set that waits to be executed. kind: create | update | none (then there is nothing to do)."""

    kind: str
    stack_name: str
    change_set: str = ""
    changes: list[Change] = field(default_factory=list)

    @property
    def destructive(self) -> bool:
        """Whether something that exists is removed or replaced."""
        return self.kind == "update" and any(
            change.action == "Remove" or change.replacement in {"True", "Conditional"} for change in self.changes
        )


OnEvent = Callable[[Event], None]


def find(session: Session, name: str) -> Stack | None:
    """The stack of that name or id, or None."""
    from botocore.exceptions import ClientError

    with aws_errors(f"looking for the stack {name}"):
        try:
            row = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
    return Stack(
        name=row["StackName"],
        id=row["StackId"],
        status=row["StackStatus"],
        reason=row.get("StackStatusReason", ""),
        parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in row.get("Parameters", [])},
        outputs={o["OutputKey"]: o["OutputValue"] for o in row.get("Outputs", [])},
        tags={t["Key"]: t["Value"] for t in row.get("Tags", [])},
        created=row["CreationTime"],
    )


def settle(session: Session, name: str, on_event: OnEvent) -> Stack | None:
    """Bring the stack to a state from which a plan can start, following whatever is under way.

    Debris of an earlier attempt (rolled back, never executed, half deleted) is deleted. None: no such stack now.
    """
    stack = find(session, name)
    if stack and stack.busy:
        stack = follow(session, stack, on_event, after=newest_event(session, stack.id))
    if stack and stack.status in DEBRIS:
        delete(session, stack, on_event)
        return None
    if stack and stack.status == "UPDATE_ROLLBACK_FAILED":
        raise UserError(
            f"the stack is stuck in {stack.status}: {stack.reason}",
            where=name,
            hint=f"`aws cloudformation continue-update-rollback --stack-name {name}`, or remove it: dlcluster down",
            code=Exit.FAILED,
        )
    return stack if stack and not stack.status.startswith("DELETE") else None


def plan(
    session: Session,
    name: str,
    template: str,
    parameters: dict[str, str],
    tags: dict[str, str],
    *,
    exists: bool,
) -> Plan:
    """Make a change set and return what it would do. Call `apply` or `discard` with the result.

    template: its text, or the https:// address of one in S3 (more than 51,200 bytes are only taken from there).
    """
    client = session.client("cloudformation")
    kind = "update" if exists else "create"
    change_set = f"dlcluster-{uuid.uuid4().hex[:12]}"
    with aws_errors(f"planning the stack {name}"):
        client.create_change_set(
            StackName=name,
            ChangeSetName=change_set,
            ChangeSetType=kind.upper(),
            **{"TemplateURL" if template.startswith("https://") else "TemplateBody": template},
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Tags=[{"Key": k, "Value": v} for k, v in tags.items()],
            Capabilities=CAPABILITIES,
            ClientToken=change_set,  # a repeated call, its first answer lost, is the same change set
        )
        answer = _wait_for_change_set(session, name, change_set)
        result = Plan(kind, name, change_set, [_change(row) for row in answer])
        if not result.changes:
            discard(session, result)
            return Plan("none", name)
    return result


def _wait_for_change_set(session: Session, name: str, change_set: str) -> list[dict[str, Any]]:
    client = session.client("cloudformation")
    while True:
        answer = client.describe_change_set(StackName=name, ChangeSetName=change_set)
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "")
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return []
            discard(session, Plan("", name, change_set))
            raise UserError(f"the change set failed: {reason}", where=name, code=Exit.FAILED)
        if answer["Status"] == "CREATE_COMPLETE":
            break
        time.sleep(session.poll)
    rows: list[dict[str, Any]] = answer["Changes"]
    while token := answer.get("NextToken"):
        answer = client.describe_change_set(StackName=name, ChangeSetName=change_set, NextToken=token)
        rows += answer["Changes"]
    return rows


def _change(row: dict[str, Any]) -> Change:
    change = row["ResourceChange"]
    targets = [detail.get("Target", {}) for detail in change.get("Details", [])]
    names = {target.get("Name") or target.get("Attribute", "") for target in targets}
    return Change(
        action=change["Action"],
        logical_id=change["LogicalResourceId"],
        type=change["ResourceType"],
        replacement=change.get("Replacement", ""),
        properties=tuple(sorted(names - {""})),
    )


def discard(session: Session, planned: Plan) -> None:
    """Forget a plan. A stack that exists only for the plan goes with it."""
    if not planned.change_set:
        return
    client = session.client("cloudformation")
    with aws_errors(f"discarding the plan for {planned.stack_name}"):
        stack = find(session, planned.stack_name)
        if stack and stack.status == "REVIEW_IN_PROGRESS":
            client.delete_stack(StackName=stack.id)
        elif stack:
            client.delete_change_set(StackName=planned.stack_name, ChangeSetName=planned.change_set)


def apply(session: Session, planned: Plan, on_event: OnEvent) -> Stack:
    """Execute the plan and follow it. UserError FAILED with the root cause when it does not complete."""
    stack = find(session, planned.stack_name)
    assert stack is not None, "a planned stack exists"
    seen = newest_event(session, stack.id)
    with aws_errors(f"executing the plan for {planned.stack_name}"):
        session.client("cloudformation").execute_change_set(
            StackName=planned.stack_name,
            ChangeSetName=planned.change_set,
            ClientRequestToken=planned.change_set,
        )
    events: list[Event] = []

    def record(event: Event) -> None:
        events.append(event)
        on_event(event)

    done = follow(session, stack, record, after=seen)
    if done is None or done.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise UserError(
            f"the stack did not {planned.kind}: {root_cause(events) or (done and done.reason) or 'no reason given'}",
            where=planned.stack_name,
            code=Exit.FAILED,
        )
    return done


def delete(session: Session, stack: Stack, on_event: OnEvent, *, attempts: int = 2) -> Stack | None:
    """Delete the stack and follow it; a failed delete is tried again. None when it is gone, else what remains."""
    after: Stack | None = stack
    for _ in range(attempts):
        seen = newest_event(session, stack.id)
        with aws_errors(f"deleting the stack {stack.name}"):
            session.client("cloudformation").delete_stack(StackName=stack.id)
        after = follow(session, stack, on_event, after=seen)
        if after is None or after.status == "DELETE_COMPLETE":
            return None
    return after


def follow(session: Session, stack: Stack, on_event: OnEvent, *, after: str = "") -> Stack | None:
    """Report events newer than `after` until the stack rests; returns its last state (None: gone)."""
    while True:
        now = find(session, stack.id)
        for event in events_since(session, stack.id, after):
            after = event.id
            on_event(event)
        if now is None or not (now.busy or now.status == "REVIEW_IN_PROGRESS"):
            return now
        time.sleep(session.poll)


def events_since(session: Session, stack_id: str, after: str) -> list[Event]:
    """Events newer than the one with id `after` (all when empty), oldest first."""
    fresh: list[Event] = []
    for event in _newest_first(session, stack_id):
        if event.id == after:
            break
        fresh.append(event)
    return fresh[::-1]


def newest_event(session: Session, stack_id: str) -> str:
    """The id of the latest event, '' when there is none."""
    return next((event.id for event in _newest_first(session, stack_id)), "")


def _newest_first(session: Session, stack_id: str) -> Iterator[Event]:
    from botocore.exceptions import ClientError

    pages = session.client("cloudformation").get_paginator("describe_stack_events")
    with aws_errors("reading the stack's events"):
        try:
            for page in pages.paginate(StackName=stack_id):
                for row in page["StackEvents"]:
                    yield Event(
                        id=row["EventId"],
                        logical_id=row.get("LogicalResourceId", ""),
                        type=row.get("ResourceType", ""),
                        status=row.get("ResourceStatus", ""),
                        reason=row.get("ResourceStatusReason", ""),
                        time=row["Timestamp"],
                    )
        except ClientError as error:
            if "does not exist" not in str(error):
                raise


def root_cause(events: list[Event]) -> str:
    """The first failure that is not merely the cancelling of others."""
    for event in events:
        if event.failed and "cancelled" not in event.reason.lower():
            return f"{event.logical_id} ({event.type}): {event.reason}"
    return ""
