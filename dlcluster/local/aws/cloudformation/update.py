"""Updates of a stack: what is replaced goes last, and what fails goes back to what was."""

from __future__ import annotations

import copy
from collections.abc import Callable

from dlcluster.local.aws.cloudformation import stack_policy
from dlcluster.local.aws.cloudformation.deploy import Deployment, Entry
from dlcluster.local.aws.cloudformation.executor import run_graph
from dlcluster.local.aws.cloudformation.model import Resource
from dlcluster.local.aws.cloudformation.operation import (
    GONE,
    Operation,
    delete_policy,
    explain,
    replace_policy,
    rollback_policy,
)
from dlcluster.local.aws.cloudformation.plan import changes
from dlcluster.local.aws.cloudformation.types.base import Failed

CLEANUP_ATTEMPTS = 3


class Update(Deployment):
    """UpdateStack, or the execution of a change set that updates."""

    def run(self) -> None:
        stack = self.stack
        outputs = stack.outputs
        reason = self._forbidden_removals() or self.deploy()
        if not reason:
            self.commit()
            return
        stack.outputs = outputs
        if stack.options.on_failure == "DO_NOTHING":
            self._leave()
            stack.set_status("UPDATE_FAILED", reason)
            return
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        self.stopped.clear()
        self.roll_back()

    def _forbidden_removals(self) -> str:
        """Why the stack's policy stops this update before it begins, or ""."""
        for name, resource in list(self.stack.resources.items()):
            if name in self.plan.graph:
                continue
            try:
                self.permit(stack_policy.DELETE, resource)
            except Failed as problem:
                self.log(Entry(name, copy.copy(resource)))
                self.note_failure(name, str(problem))
        return f"The following resource(s) failed to update: [{', '.join(self.failed)}]." if self.failed else ""

    def commit(self, done: str = "UPDATE_COMPLETE") -> None:
        """The new state is the stack's state: what is no longer needed goes."""
        stack = self.stack
        with stack.lock:
            removed = [stack.resources.pop(name) for name in list(stack.resources) if name not in self.plan.graph]
            stack.target, stack.imports = self.target, self.imports
        policies = {id(resource): delete_policy(resource) for resource in [*removed, *stack.trash]}
        for entry in self.journal.values():
            if entry.replaced and entry.before:
                removed.append(entry.before)
                policies[id(entry.before)] = replace_policy(entry.before)
        stack.set_status(f"{done}_CLEANUP_IN_PROGRESS")
        self._clean_up(removed, lambda resource: policies[id(resource)])
        stack.set_status(done)

    def _clean_up(self, resources: list[Resource], policy: Callable[[Resource], str]) -> None:
        """Delete what nobody needs any more; what resists is kept for the stack's own deletion."""
        doomed = [*self.stack.trash, *resources]
        self.remove_all(doomed, policy, attempts=CLEANUP_ATTEMPTS)
        self.stack.trash = [item for item in doomed if item.status not in GONE]

    def _leave(self) -> None:
        """Keep what was done; of what failed, remember the old values, so that the next update tries again."""
        for entry in self.journal.values():
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
        entries = self.journal
        old = {name: entry.before for name, entry in entries.items() if entry.before}
        graph = {name: set(before.depends) & old.keys() for name, before in old.items()}
        doomed = self._unmake(entries)
        policies = {id(item): rollback_policy(item) for item in doomed if item.logical_id not in old}
        failed = run_graph(graph, lambda name: name in skip or self._revert(entries[name]))
        self.journal = {name: entry for name, entry in entries.items() if name in old and not entry.reverted}
        if failed:
            stack.trash += doomed
            stack.set_status(
                "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{', '.join(failed)}]. "
            )
            return
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
                    entry.reverted = True
        return doomed

    def _revert(self, entry: Entry) -> bool:
        before = entry.before
        assert before is not None
        resource = self.stack.resources[entry.logical_id]
        attempted = copy.copy(resource)
        resource.definition, resource.depends = before.definition, before.depends
        resource.properties, resource.tags, resource.attributes = before.properties, before.tags, {}
        if entry.replaced or not changes(attempted, resource.properties, resource.tags):
            if entry.replaced or attempted.status == "UPDATE_FAILED":
                self.stack.set_resource(resource, "UPDATE_COMPLETE", properties=self.shown(resource))
            entry.reverted = True
            return True
        try:
            self.change(resource, attempted)
        except Exception as problem:
            self.stack.set_resource(resource, "UPDATE_FAILED", explain(problem), self.shown(resource))
            resource.properties, resource.tags = attempted.properties, attempted.tags
            return False
        entry.reverted = True
        return True


class ResumeRollback(Operation):
    """ContinueUpdateRollback: what could not be reverted is tried again, without the resources to skip."""

    resumes = True

    def __init__(self, update: Update, skip: frozenset[str]) -> None:
        super().__init__(update.registry, update.stack)
        self.update = update
        self._skip = skip

    def run(self) -> None:
        self.update.roll_back(self._skip)
