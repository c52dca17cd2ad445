"""Bring every resource of a plan about; a creation takes it all back when one fails."""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlcluster.local.aws.cloudformation import stack_policy
from dlcluster.local.aws.cloudformation.executor import run_graph
from dlcluster.local.aws.cloudformation.model import Resource, Stack, Target, now
from dlcluster.local.aws.cloudformation.operation import (
    Operation,
    explain,
    rollback_policy,
)
from dlcluster.local.aws.cloudformation.parameters import missing_values
from dlcluster.local.aws.cloudformation.plan import Plan, changes, replaces
from dlcluster.local.aws.cloudformation.schema import SCHEMAS
from dlcluster.local.aws.cloudformation.signals import await_signals
from dlcluster.local.aws.cloudformation.stack_policy import StackPolicy
from dlcluster.local.aws.cloudformation.types import KINDS
from dlcluster.local.aws.cloudformation.types.base import Failed, Step

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.registry import Registry

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
INITIATED = "Resource creation Initiated"
_RENAME = (
    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the "
    "stack again."
)


@dataclass
class Entry:
    """What happened to one resource: `before` is None for a new one, else its record until then."""

    logical_id: str
    before: Resource | None
    replaced: bool = False
    reverted: bool = False


class Deployment(Operation):
    """What creating and updating have in common. A resource's first failure stops everything else."""

    def __init__(self, registry: Registry, stack: Stack, target: Target) -> None:
        super().__init__(registry, stack)
        self.target = target
        self.secrets += target.parameters.secrets()
        self.plan = Plan(self.identity, target, self)
        self.journal: dict[str, Entry] = {}
        self.failed: list[str] = []
        self.deadline = float("inf")
        self.policy: StackPolicy | None = None
        self._lock = threading.Lock()

    def cancelled(self) -> bool:
        return super().cancelled() or time.monotonic() > self.deadline

    def update_policy(self, resource: Resource) -> dict[str, Any]:
        policy: dict[str, Any] = self.plan.resolver.resolve(resource.definition.update_policy)
        return policy

    def deploy(self) -> str:
        """Bring every resource about; why it could not, or ""."""
        verb = "create" if self.stack.status.startswith("CREATE") else "update"
        reason = missing_values(self.target.template, self.target.parameters, self.client)
        if reason:
            return f"{reason}."
        run_graph(self.plan.graph, self._resource, stop=self.cancelled)
        if self.failed:
            return f"The following resource(s) failed to {verb}: [{', '.join(self.failed)}]."
        if time.monotonic() > self.deadline:
            return "Stack creation time exceeded the specified timeout."
        if self.stopped.is_set():
            return "User Initiated"
        try:
            self.stack.outputs = self._outputs()
        except Exception as problem:
            return explain(problem)
        return ""

    def _outputs(self) -> list[dict[str, object]]:
        rows = self.plan.outputs()
        self.registry.check_exports(self.stack, rows)
        return rows

    def _resource(self, name: str) -> bool:
        resource = self.stack.resources.get(name)
        try:
            if resource is None or resource.status == "CREATE_FAILED":
                self._create(name)
            else:
                self._update(resource)
        except Exception as problem:
            self.note_failure(name, explain(problem))
            return False
        return True

    def note_failure(self, name: str, reason: str) -> None:
        with self._lock:
            self.failed.append(name)
        resource = self.stack.resources[name]
        status = "CREATE_FAILED" if self.journal[name].before is None else "UPDATE_FAILED"
        self.stack.set_resource(resource, status, reason, self.shown(resource))
        self.stopped.set()

    def log(self, entry: Entry) -> None:
        with self._lock:
            self.journal[entry.logical_id] = entry

    def _create(self, name: str) -> None:
        resource = Resource(self.plan.definitions[name], depends=frozenset(self.plan.dependencies(name)))
        with self.stack.lock:
            left = self.stack.resources.get(name)  # of a deployment that failed and was left as it was
            if left and left.physical_id:
                self.stack.trash.append(left)
            self.stack.resources[name] = resource
        self.log(Entry(name, None))
        resource.properties = self._properties(name)
        resource.tags = self.plan.tags(name, resource.properties)
        self._make(resource, "CREATE")

    def _make(self, resource: Resource, verb: str, reason: str = "") -> None:
        shown = self.shown(resource)
        begun, set_status = f"{verb}_IN_PROGRESS", self.stack.set_resource
        set_status(resource, begun, reason, shown)
        step = Step(self, resource, announce=lambda: set_status(resource, begun, INITIATED, shown))
        kind = KINDS[resource.type]
        if name := kind.taken(step):
            raise Failed(_RENAME.format(name) if verb == "UPDATE" else f"{name} already exists")
        kind.create(step)
        await_signals(self, resource)
        set_status(resource, f"{verb}_COMPLETE", properties=shown)

    def _properties(self, name: str) -> dict[str, object]:
        properties = self.plan.properties(name)
        problems = SCHEMAS[self.plan.definitions[name].type].problems(properties)
        if problems:
            detail = "\n".join(problems)
            raise Failed(f"Properties validation failed for resource {name} with message:\n{detail}")
        return properties

    def _update(self, resource: Resource) -> None:
        name, before = resource.logical_id, copy.copy(resource)
        self.log(Entry(name, before))
        definition = self.plan.definitions[name]
        depends = frozenset(self.plan.dependencies(name))
        properties = self._properties(name)
        tags = self.plan.tags(name, properties)
        changed = changes(resource, properties, tags)
        if replaces(resource.type, changed):
            self.permit(stack_policy.REPLACE, resource)
            new = Resource(definition, properties, tags, depends)
            with self.stack.lock:
                self.stack.resources[name] = new
            self.log(Entry(name, resource, replaced=True))
            self._make(new, "UPDATE", REPLACING)
            return
        if changed:
            self.permit(stack_policy.MODIFY, resource)
        resource.definition, resource.depends = definition, depends
        if changed:
            resource.memo = dict(resource.memo)
            resource.properties, resource.tags, resource.attributes = properties, tags, {}
            self.change(resource, before)

    def permit(self, action: str, resource: Resource) -> None:
        """Raises Failed when the stack's policy denies this."""
        denial = self.policy.denial(action, resource.logical_id, resource.type) if self.policy else ""
        if denial:
            raise Failed(denial)

    def change(self, resource: Resource, before: Resource) -> None:
        """Update in place from `before` to what the record now says."""
        changed = changes(before, resource.properties, resource.tags)
        kind = KINDS[resource.type]
        shown = self.shown(resource)
        self.stack.set_resource(resource, "UPDATE_IN_PROGRESS", properties=shown)
        fixed = sorted(changed - kind.mutable)
        if fixed:
            raise Failed(f"Updating {', '.join(fixed)} of {resource.type} is not supported by this endpoint")
        kind.update(Step(self, resource, old=before.properties, old_tags=before.tags, changed=changed))
        self.stack.set_resource(resource, "UPDATE_COMPLETE", properties=shown)

    def move(self, status: str, reason: str = "") -> bool:
        """Move the stack on, unless a deletion has taken over."""
        with self.stack.lock:
            if not self.superseded:
                self.stack.set_status(status, reason)
            return not self.superseded


class Create(Deployment):
    """CreateStack, or the execution of a change set that creates."""

    def run(self) -> None:
        stack = self.stack
        if stack.options.timeout_minutes:
            self.deadline = time.monotonic() + 60 * stack.options.timeout_minutes
        reason = self.deploy()
        if not reason:
            stack.imports = self.imports
            self.move("CREATE_COMPLETE")
        elif stack.options.on_failure == "DO_NOTHING":
            self.move("CREATE_FAILED", reason)
        elif stack.options.on_failure == "DELETE":
            if self.move("DELETE_IN_PROGRESS", f"{reason} Delete requested by user."):
                self.take_back("DELETE_COMPLETE", "DELETE_FAILED")
        elif self.move("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user."):
            self.take_back("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    def take_back(self, complete: str, failed: str) -> None:
        """Remove what was made; a deletion that takes over meanwhile does the rest."""
        stack = self.stack
        self.stopped.clear()
        self.deadline = float("inf")
        stack.outputs = []
        left = self.remove_all(stack.resources.values(), rollback_policy)
        if left:
            self.move(failed, f"The following resource(s) failed to delete: [{', '.join(left)}]. ")
        else:
            stack.deleted = now() if complete == "DELETE_COMPLETE" else None
            self.move(complete)
