"""Stacks within a stack, as the type AWS::CloudFormation::Stack works on them: without the calls of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcluster.local.aws.cloudformation import request
from dlcluster.local.aws.cloudformation.model import Options, Stack, Target
from dlcluster.local.aws.query import AwsError

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.api import CloudFormation

NO_UPDATES = "No updates are to be performed."


class Nested:
    """What a resource of the stack `parent` may do with its own stack. What AWS refuses is an AwsError."""

    def __init__(self, service: CloudFormation, parent: Stack) -> None:
        self._service = service
        self._parent = parent

    def find(self, stack_id: str) -> Stack | None:
        """The stack, unless it was deleted."""
        try:
            return self._service.registry.find(self._parent.region, stack_id, deleted=False)
        except AwsError:
            return None

    def create(self, name: str, text: str, params: dict[str, Any], timeout: int | None) -> Stack:
        """Begin a stack; when it fails, it is left for its parent to take back."""
        with self._service.registry.changing:
            target, options = self._target(text, params, None), Options("DO_NOTHING", timeout)
            return self._service.begin_creation(self._parent.region, name, target, {}, options, self._parent)

    def update(self, stack: Stack, text: str, params: dict[str, Any]) -> str | None:
        """Begin an update; the status in which it succeeds, None when nothing would change.

        A rollback that failed goes on when that of the parent does.
        """
        with self._service.registry.changing:
            if stack.status == "UPDATE_ROLLBACK_FAILED" and self._parent.operation.resumes:
                self._service.begin_resumption(stack, {})
                return "UPDATE_ROLLBACK_COMPLETE"
            self._service.check_updatable(stack)
            target = self._target(text, params, stack)
            try:
                self._service.check_change(stack, target)
            except AwsError as refusal:
                if refusal.message == NO_UPDATES:
                    return None
                raise
            operation = self._service.update_to(stack, target)
            stack.begin("UpdateStack", {}, Options())
            self._service.begin_update(stack, operation)
            return "UPDATE_COMPLETE"

    def cancel(self, stack: Stack) -> None:
        """Let a running update roll back."""
        if stack.status == "UPDATE_IN_PROGRESS":
            stack.operation.stopped.set()

    def delete(self, stack: Stack) -> None:
        """Begin the deletion."""
        with self._service.registry.changing:
            self._service.begin_deletion(stack, {})

    def _target(self, text: str, params: dict[str, Any], previous: Stack | None) -> Target:
        capabilities = list(self._parent.target.capabilities)
        clients = self._service.clients(self._parent.region)
        return request.target({**params, "Capabilities": capabilities}, previous, clients, text)
