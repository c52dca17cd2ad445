"""Create and update: bring every resource of a plan about, and take it all back when one fails."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlcluster.local.aws.cloudformation.executor import run_graph
from dlcluster.local.aws.cloudformation.model import Resource, Stack, Target, now
from dlcluster.local.aws.cloudformation.operation import (
    GONE,
    Operation,
    delete_policy,
    explain,
    replace_policy,
    rollback_policy,
)
from dlcluster.local.aws.cloudformation.parameters import missing_values
from dlcluster.local.aws.cloudformation.plan import Plan, changes, replaces
from dlcluster.local.aws.cloudformation.schema import SCHEMAS
from dlcluster.local.aws.cloudformation.signals import await_signals
from dlcluster.local.aws.cloudformation.types import KINDS
from dlcluster.local.aws.cloudformation.types.base import Failed, Step

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.registry import Registry

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
INITIATED = "Resource creation Initiated"
CLEANUP_ATTEMPTS = 3


@dataclass(frozen=True)
class Entry:
    """What happened to one resource: `before` is None for a new one, else its record until then."""

    logical_id: str
    before: Resource | None
    replaced: bool = False


class Deployment(Operation):
    """What creating and updating have in common. A resource's first failure stops everything else."""

    def __init__(self, registry: Registry, stack: Stack, target: Target) -> None:
        super().__init__(registry, stack)
        self.target = target
        self.secrets += target.parameters.secrets()
        self.plan = Plan(self.identity, target, self)
        self.journal: list[Entry] = []
        self.failed: list[str] = []
        self.deadline = float("inf")
        self._lock = threading.Lock()

    def cancelled(self) -> bool:
        return super().cancelled() or time.monotonic() > self.deadline

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
            self._note_failure(name, explain(problem))
            return False
        return True

    def _note_failure(self, name: str, reason: str) -> None:
        with self._lock:
            self.failed.append(name)
            new = any(entry.logical_id == name and entry.before is None for entry in self.journal)
        resource = self.stack.resources[name]
        status = "CREATE_FAILED" if new else "UPDATE_FAILED"
        self.stack.set_resource(resource, status, reason, self.shown(resource))
        self.stopped.set()

    def _log(self, entry: Entry) -> None:
        with self._lock:
            self.journal.append(entry)

    def _create(self, name: str) -> None:
        resource = Resource(self.plan.definitions[name], depends=frozenset(self.plan.dependencies(name)))
        with self.stack.lock:
            left = self.stack.resources.get(name)  # of a deployment that failed and was left as it was
            if left and left.physical_id:
                self.stack.trash.append(left)
            self.stack.resources[name] = resource
        self._log(Entry(name, None))
        resource.properties = self._properties(name)
        resource.tags = self.plan.tags(name, resource.properties)
        self._make(resource, "CREATE")

    def _make(self, resource: Resource, verb: str, reason: str = "") -> None:
        shown = self.shown(resource)
        stack = self.stack
        stack.set_resource(resource, f"{verb}_IN_PROGRESS", reason, shown)
        first = [True]

        def announce() -> None:
            if first.pop() if first else False:
                stack.set_resource(resource, f"{verb}_IN_PROGRESS", INITIATED, shown)

        KINDS[resource.type].create(Step(self, resource, announce=announce))
        await_signals(self, resource)
        stack.set_resource(resource, f"{verb}_COMPLETE", properties=shown)

    def _properties(self, name: str) -> dict[str, object]:
        properties = self.plan.properties(name)
        problems = SCHEMAS[self.plan.definitions[name].type].problems(properties)
        if problems:
            detail = "\n".join(problems)
            raise Failed(f"Properties validation failed for resource {name} with message:\n{detail}")
        return properties

    def _update(self, resource: Resource) -> None:
        name = resource.logical_id
        definition = self.plan.definitions[name]
        depends = frozenset(self.plan.dependencies(name))
        properties = self._properties(name)
        tags = self.plan.tags(name, properties)
        changed = changes(resource, properties, tags)
        if replaces(resource.type, changed):
            new = Resource(definition, properties, tags, depends)
            with self.stack.lock:
                self.stack.resources[name] = new
            self._log(Entry(name, resource, replaced=True))
            self._make(new, "UPDATE", REPLACING)
            return
        before = copy.copy(resource)
        resource.definition, resource.depends = definition, depends
        if not changed:
            self._log(Entry(name, before))
            return
        resource.memo = dict(resource.memo)
        resource.properties, resource.tags, resource.attributes = properties, tags, {}
        self._log(Entry(name, before))
        self._change(resource, before)

    def _change(self, resource: Resource, before: Resource) -> None:
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

    def finish(self, status: str, reason: str = "") -> None:
        """The stack's last event, unless another operation has taken over."""
        if not self.superseded:
            self.stack.set_status(status, reason)


class Create(Deployment):
    """CreateStack, or the execution of a change set that creates."""

    def run(self) -> None:
        stack = self.stack
        if stack.options.timeout_minutes:
            self.deadline = time.monotonic() + 60 * stack.options.timeout_minutes
        reason = self.deploy()
        if self.superseded:
            return
        if not reason:
            stack.imports = self.imports
            stack.set_status("CREATE_COMPLETE")
        elif stack.options.on_failure == "DO_NOTHING":
            stack.set_status("CREATE_FAILED", reason)
        elif stack.options.on_failure == "DELETE":
            stack.set_status("DELETE_IN_PROGRESS", f"{reason} Delete requested by user.")
            self._take_back("DELETE_COMPLETE", "DELETE_FAILED")
        else:
            stack.set_status("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
            self._take_back("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    def _take_back(self, complete: str, failed: str) -> None:
        stack = self.stack
        self.stopped.clear()
        self.deadline = float("inf")
        stack.outputs = []
        left = self.remove_all(stack.resources.values(), rollback_policy)
        if left:
            self.finish(failed, f"The following resource(s) failed to delete: [{', '.join(left)}]. ")
        else:
            stack.deleted = now() if complete == "DELETE_COMPLETE" else None
            self.finish(complete)


class Update(Deployment):
    """UpdateStack, or the execution of a change set that updates."""

    def run(self) -> None:
        stack = self.stack
        outputs = stack.outputs
        reason = self.deploy()
        if not reason:
            self._commit()
            return
        stack.outputs = outputs
        if stack.options.on_failure == "DO_NOTHING":
            self._leave()
            stack.set_status("UPDATE_FAILED", reason)
            return
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        self.stopped.clear()
        self.roll_back()

    def _commit(self) -> None:
        stack = self.stack
        with stack.lock:
            removed = [stack.resources.pop(name) for name in list(stack.resources) if name not in self.plan.graph]
            stack.target, stack.imports = self.target, self.imports
        policies = {id(resource): delete_policy(resource) for resource in [*removed, *stack.trash]}
        for entry in self.journal:
            if entry.replaced and entry.before:
                removed.append(entry.before)
                policies[id(entry.before)] = replace_policy(entry.before)
        stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(removed, lambda resource: policies[id(resource)])
        stack.set_status("UPDATE_COMPLETE")

    def _clean_up(self, resources: list[Resource], policy: Callable[[Resource], str]) -> None:
        """Delete what nobody needs any more; what resists is kept for the stack's own deletion."""
        doomed = [*self.stack.trash, *resources]
        self.remove_all(doomed, policy, attempts=CLEANUP_ATTEMPTS)
        self.stack.trash = [item for item in doomed if item.status not in GONE]

    def _leave(self) -> None:
        """Keep what was done; of what failed, remember the old values, so that the next update tries again."""
        for entry in self.journal:
            resource = self.stack.resources[entry.logical_id]
            if entry.before is None:
                continue
            failed = resource.status == "UPDATE_FAILED"
            if entry.replaced:
                self.stack.trash.append(resource if failed else entry.before)
                if failed:
                    self.stack.resources[entry.logical_id] = entry.before
            elif failed:
                resource.properties, resource.tags = entry.before.properties, entry.before.tags

    def roll_back(self, skip: frozenset[str] = frozenset()) -> None:
        """Back to the records that the journal holds; what cannot be reverted stays in the journal."""
        stack = self.stack
        entries = {entry.logical_id: entry for entry in self.journal}
        old = {name: entry.before for name, entry in entries.items() if entry.before}
        graph = {name: set(before.depends) & old.keys() for name, before in old.items()}
        doomed = self._unmake(entries)
        policies = {id(item): rollback_policy(item) for item in doomed if item.logical_id not in old}
        failed = run_graph(graph, lambda name: name in skip or self._revert(entries[name]))
        if failed:
            self.journal = [entries[name] for name in graph if name in failed]
            stack.trash += doomed
            stack.set_status(
                "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{', '.join(failed)}]. "
            )
            return
        self.journal = []
        stack.set_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(doomed, lambda resource: policies.get(id(resource), "Delete"))
        stack.set_status("UPDATE_ROLLBACK_COMPLETE")

    def _unmake(self, entries: dict[str, Entry]) -> list[Resource]:
        """Take new and replacing resources out of the stack; the old ones are theirs again."""
        doomed = []
        with self.stack.lock:
            for name, entry in entries.items():
                if entry.before is None or entry.replaced:
                    doomed.append(self.stack.resources[name])
                if entry.before is None:
                    del self.stack.resources[name]
                elif entry.replaced:
                    self.stack.resources[name] = entry.before
        return doomed

    def _revert(self, entry: Entry) -> bool:
        before = entry.before
        assert before is not None
        resource = self.stack.resources[entry.logical_id]
        attempted = copy.copy(resource)
        resource.definition, resource.depends = before.definition, before.depends
        resource.properties, resource.tags, resource.attributes = before.properties, before.tags, {}
        if entry.replaced:
            self.stack.set_resource(resource, "UPDATE_COMPLETE", properties=self.shown(resource))
            return True
        if not changes(attempted, resource.properties, resource.tags):
            return True
        try:
            self._change(resource, attempted)
        except Exception as problem:
            self.stack.set_resource(resource, "UPDATE_FAILED", explain(problem), self.shown(resource))
            resource.properties, resource.tags = attempted.properties, attempted.tags
            return False
        return True


class ResumeRollback(Operation):
    """ContinueUpdateRollback: what could not be reverted is tried again, without the resources to skip."""

    def __init__(self, update: Update, skip: frozenset[str]) -> None:
        super().__init__(update.registry, update.stack)
        self.update = update
        self._skip = skip

    def run(self) -> None:
        self.update.roll_back(self._skip)
