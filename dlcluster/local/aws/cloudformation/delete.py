"""DeleteStack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlcluster.local.aws.cloudformation.model import Stack, now
from dlcluster.local.aws.cloudformation.operation import GONE, Operation, delete_policy

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.registry import Registry


class Delete(Operation):
    """Remove everything.

    retain: logical ids to leave alone (for a stack whose deletion failed before). previous: the operation that this one
    takes over from. before: the stack's status until now, which it has again when others import from it.
    """

    def __init__(
        self, registry: Registry, stack: Stack, retain: frozenset[str], previous: Operation | None, before: str
    ) -> None:
        super().__init__(registry, stack)
        self._retain = retain
        self._previous = previous
        self._before = before

    def run(self) -> None:
        stack = self.stack
        if self._previous is not None:
            self._previous.thread.join()
        used = self.registry.export_in_use(stack)
        if used:
            stack.set_status(self._before, f"Export {used[0]} cannot be deleted as it is in use by {used[1]}")
            return
        doomed = []
        for resource in [*stack.resources.values(), *stack.trash]:
            if resource.logical_id in self._retain:
                stack.set_resource(resource, "DELETE_SKIPPED")
            elif resource.status not in GONE:
                doomed.append(resource)
        left = self.remove_all(doomed, delete_policy)
        if left:
            stack.set_status("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(left)}]. ")
            return
        stack.deleted = now()
        stack.trash = []
        stack.outputs = []
        stack.set_status("DELETE_COMPLETE")
