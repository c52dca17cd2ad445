"""The operations on change sets."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dlcluster.local.aws.cloudformation import request
from dlcluster.local.aws.cloudformation.api_reads import Reads
from dlcluster.local.aws.cloudformation.changes import ChangeList, compute
from dlcluster.local.aws.cloudformation.deploy import Create
from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Options, Stack, Target, now
from dlcluster.local.aws.cloudformation.operation import Operation, explain
from dlcluster.local.aws.cloudformation.registry import missing
from dlcluster.local.aws.cloudformation.update import Update
from dlcluster.local.aws.query import AwsError, Context, page
from dlcluster.local.aws.wire import constraint

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_NAME = re.compile("[a-zA-Z][-a-zA-Z0-9]{0,127}")
CHANGES_PAGE = 100


@dataclass
class ChangeSet:
    """One change set."""

    name: str
    id: str
    stack: Stack
    target: Target
    kind: str
    changes: ChangeList
    status: str
    reason: str = ""
    execution: str = "UNAVAILABLE"
    description: str = ""
    on_failure: str = ""
    token: str = ""
    created: datetime = field(default_factory=now)

    def row(self) -> dict[str, Any]:
        """A row of ListChangeSets."""
        return {
            "StackId": self.stack.id,
            "StackName": self.stack.name,
            "ChangeSetId": self.id,
            "ChangeSetName": self.name,
            "ExecutionStatus": self.execution,
            "Status": self.status,
            "StatusReason": self.reason or None,
            "CreationTime": self.created,
            "Description": self.description or None,
            "IncludeNestedStacks": False,
        }


class ChangeSets(Reads):
    """Create, describe, execute, delete and list change sets."""

    def create_change_set(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Compute the changes at once: the answer comes when the change set is ready or failed."""
        region, name = context.region, params["ChangeSetName"]
        if not _NAME.fullmatch(name):
            rule = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            raise constraint(f"'{name}'", "changeSetName", rule)
        request.refuse_unsupported(params)
        kind = params.get("ChangeSetType") or "UPDATE"
        if kind not in ("CREATE", "UPDATE"):
            raise error(f"Change sets of type {kind} are not supported by this endpoint")
        with self.registry.changing:
            known = self.registry.live(region, _plain_name(params["StackName"]))
            if known and name in known.change_sets:
                return self._again(known, known.change_sets[name], params)
            previous = self._base(known, params["StackName"], kind, name)
            target = request.target(params, previous, self.clients(region))
            stack = known or self._review(region, params["StackName"], target)
            change_set = self._computed(stack, target, params, kind)
            stack.change_sets[name] = change_set
        return {"Id": change_set.id, "StackId": stack.id}

    def _again(self, stack: Stack, existing: ChangeSet, params: dict[str, Any]) -> dict[str, Any]:
        token = params.get("ClientToken")
        if token and existing.token == token:
            return {"Id": existing.id, "StackId": stack.id}
        raise AwsError("AlreadyExistsException", f"ChangeSet {existing.name} cannot be created due to a mismatch "
                       "with existing attribute ChangeSetName")  # fmt: skip

    def _base(self, stack: Stack | None, stack_name: str, kind: str, name: str) -> Stack | None:
        """The stack whose values an update may use; None for a creation."""
        if kind == "CREATE":
            request.check_name(stack_name)
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                raise error(f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                            f"[{name}].")  # fmt: skip
            return None
        if stack is None:
            raise missing(stack_name)
        self.check_updatable(stack)
        return stack

    def check_updatable(self, stack: Stack) -> None:
        """Raises AwsError unless the stack can be updated."""
        raise NotImplementedError

    def _review(self, region: str, name: str, target: Target) -> Stack:
        stack = self.registry.add(region, name, target)
        stack.set_status("REVIEW_IN_PROGRESS", "User Initiated")
        return stack

    def _computed(self, stack: Stack, target: Target, params: dict[str, Any], kind: str) -> ChangeSet:
        change_set = ChangeSet(
            params["ChangeSetName"],
            f"arn:aws:cloudformation:{stack.region}:{stack.account_id}:changeSet/{params['ChangeSetName']}"
            f"/{uuid.uuid4()}",
            stack,
            target,
            kind,
            ChangeList(),
            "CREATE_COMPLETE",
            execution="AVAILABLE",
            description=params.get("Description") or "",
            on_failure=params.get("OnStackFailure") or "",
            token=params.get("ClientToken") or "",
        )
        try:
            operation = Operation(self.registry, stack)
            change_set.changes = compute(operation, stack, target, new=kind == "CREATE")
            reason = "\n".join(change_set.changes.problems)
            reason = reason or (NO_CHANGES if change_set.changes.empty else "")
        except Exception as problem:
            reason = explain(problem)
        if reason:
            change_set.status, change_set.reason, change_set.execution = "FAILED", reason, "UNAVAILABLE"
        return change_set

    def find_change_set(self, params: dict[str, Any], context: Context) -> ChangeSet:
        """By name and stack, or by its ARN."""
        name = params["ChangeSetName"]
        if not name.startswith("arn:") and not params.get("StackName"):
            raise error("StackName must be specified if ChangeSetName is not specified as an ARN.")
        for stack in self.registry.stacks(context.region):
            if params.get("StackName") in (None, stack.id) or (
                params.get("StackName") == stack.name and not stack.gone
            ):
                for change_set in stack.change_sets.values():
                    if name in (change_set.name, change_set.id):
                        return change_set
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)

    def describe_change_set(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        change_set = self.find_change_set(params, context)
        values = bool(params.get("IncludePropertyValues"))
        changes, token = page(
            change_set.changes.rows, lambda item: item.logical_id, params.get("NextToken"), CHANGES_PAGE
        )
        row = change_set.row()
        target = change_set.target
        return {
            **row,
            "Parameters": target.parameters.rows(),
            "NotificationARNs": list(target.topics),
            "RollbackConfiguration": {},
            "Capabilities": list(target.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in target.tags.items()],
            "Changes": [change.row(values=values) for change in changes],
            "OnStackFailure": change_set.on_failure or None,
            "NextToken": token,
        }

    def list_change_sets(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        stack = self.registry.find(context.region, params["StackName"])
        rows, token = page(
            list(stack.change_sets.values()), lambda item: item.id, params.get("NextToken"), CHANGES_PAGE
        )
        return {"Summaries": [change_set.row() for change_set in rows], "NextToken": token}

    def delete_change_set(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """A change set that does not exist is no error; the stack in review stays, as on AWS."""
        try:
            change_set = self.find_change_set(params, context)
        except AwsError as problem:
            if problem.code == "ChangeSetNotFound":
                return {}
            raise
        change_set.stack.change_sets.pop(change_set.name, None)
        return {}

    def execute_change_set(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Do what the change set says; all change sets of the stack are gone then, as on AWS."""
        request.refuse_unsupported(params)
        with self.registry.changing:
            if self._executed_before(params, context):
                return {}
            change_set = self.find_change_set(params, context)
            stack = change_set.stack
            if change_set.execution != "AVAILABLE":
                raise AwsError(
                    "InvalidChangeSetStatus",
                    f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]",
                )
            disabled = params.get("DisableRollback")
            on_failure = change_set.on_failure or ("DO_NOTHING" if disabled else "ROLLBACK")
            operation: Create | Update
            if change_set.kind == "CREATE":
                operation = Create(self.registry, stack, change_set.target)
                stack.target = change_set.target
                stack.created = now()
                stack.set_status("CREATE_IN_PROGRESS", "User Initiated")
            else:
                self.check_updatable(stack)
                operation = Update(self.registry, stack, change_set.target)
            stack.begin("ExecuteChangeSet", params, Options(on_failure))
            stack.change_sets.clear()
            stack.change_set_id = change_set.id
            if isinstance(operation, Update):
                self.begin_update(stack, operation)
            else:
                operation.start()
        self.hold(operation, context, executing=True)
        return {}

    def _executed_before(self, params: dict[str, Any], context: Context) -> bool:
        """Whether the same request with the same token came before: its change set is gone then."""
        name = params.get("StackName") or params["ChangeSetName"]
        stacks = self.registry.stacks(context.region)
        return any(
            stack.repeats("ExecuteChangeSet", params)
            for stack in stacks
            if name in (stack.name, stack.id, stack.change_set_id)
        )

    def begin_update(self, stack: Stack, operation: Update) -> None:
        """Set an update going."""
        raise NotImplementedError


def _plain_name(name: str) -> str:
    """The name in a stack's ARN."""
    return name.split("/")[1] if name.startswith("arn:") else name
