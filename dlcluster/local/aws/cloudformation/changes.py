"""What an update would do, without doing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dlcluster.local.aws.cloudformation.intrinsics import UNKNOWN, error, has_unknown, references, text
from dlcluster.local.aws.cloudformation.model import Resource, Stack, Target
from dlcluster.local.aws.cloudformation.operation import Operation
from dlcluster.local.aws.cloudformation.plan import Plan, canonical, changes, replaces
from dlcluster.local.aws.cloudformation.schema import SCHEMAS
from dlcluster.local.aws.cloudformation.types import KINDS


@dataclass(frozen=True)
class Detail:
    """One changed property of one resource and one cause of it. name is "" for tags and metadata."""

    attribute: str
    name: str
    recreation: str
    dynamic: bool
    source: str
    entity: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class Change:
    """One row of a change set. replacement: True, False, Conditional, or "" for Add and Remove."""

    action: str
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: str = ""
    details: tuple[Detail, ...] = ()
    policy: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    def row(self, *, values: bool = False) -> dict[str, Any]:
        """As DescribeChangeSet shows it; values: property values too."""
        scope = sorted({detail.attribute for detail in self.details})
        change: dict[str, Any] = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "PhysicalResourceId": self.physical_id or None,
            "ResourceType": self.type,
            "Replacement": self.replacement or None,
            "PolicyAction": self.policy or None,
            "Scope": scope,
            "Details": [_detail_row(detail, values=values) for detail in self.details],
        }
        if values and self.action != "Add":
            change["BeforeContext"] = _context(self.before)
        if values and self.action != "Remove":
            change["AfterContext"] = _context(self.after)
        return {"Type": "Resource", "ResourceChange": change}


@dataclass(frozen=True)
class ChangeList:
    """All changes, whether outputs or stack tags change beside them, and what AWS will refuse."""

    rows: tuple[Change, ...] = ()
    beside: bool = False
    problems: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.rows and not self.beside


def compute(operation: Operation, stack: Stack, target: Target, *, new: bool) -> ChangeList:
    """The changes from what the stack is to the target; new: nothing exists yet. Raises AwsError."""
    return _Computation(operation, {} if new else dict(stack.resources), stack.target, target).run()


class _Computation:
    """The pure pass, in the order of the deployment. It is the Scope of its own resolver."""

    def __init__(self, operation: Operation, resources: dict[str, Resource], old: Target, target: Target) -> None:
        self._operation = operation
        self._resources = resources
        self._old, self._target = old, target
        self._problems: list[str] = []
        self._fresh: set[str] = set()  # added or replaced: no id yet
        self._modified: dict[str, dict[str, Any]] = {}
        self._plan = Plan(operation.identity, target, self)

    # -- Scope -----------------------------------------------------------------------------------------

    def ref(self, logical_id: str) -> Any:
        return UNKNOWN if logical_id in self._fresh else self._operation.ref(logical_id)

    def attribute(self, logical_id: str, name: str) -> Any:
        if logical_id in self._fresh:
            return UNKNOWN
        if logical_id in self._modified:
            kind = KINDS[self._resources[logical_id].type]
            if kind.is_volatile(name):
                return UNKNOWN
            if name in self._modified[logical_id]:
                return self._modified[logical_id][name]
        return self._operation.attribute(logical_id, name)

    def zones(self, region: str) -> list[str]:
        return self._operation.zones(region)

    def imported(self, export: str) -> Any:
        return self._operation.imported(export)

    def template(self, url: str) -> str:
        return self._operation.template(url)

    def secret(self, service: str, reference: str) -> str:
        return self._operation.secret(service, reference)

    # -- the pass --------------------------------------------------------------------------------------

    def run(self) -> ChangeList:
        self._check_types()
        rows = [change for name in self._plan.order for change in self._resource(name)]
        rows += [
            Change("Remove", name, item.type, item.physical_id, policy=_removal(item), before=item.properties)
            for name, item in self._resources.items()
            if name not in self._plan.definitions
        ]
        outputs = self._plan.outputs()
        old_outputs = self._operation.stack.outputs if self._resources else []
        beside = dict(self._target.tags) != dict(self._old.tags) or _bare(outputs) != _bare(old_outputs)
        return ChangeList(tuple(rows), beside, tuple(self._problems))

    def _check_types(self) -> None:
        other = sorted(
            name
            for name, item in self._plan.definitions.items()
            if name in self._resources and self._resources[name].type != item.type
        )
        if other:
            raise error("Update of resource type is not permitted. The new template modifies resource type of the "
                        f"following resources: [{', '.join(other)}]")  # fmt: skip

    def _resource(self, name: str) -> Iterator[Change]:
        definition = self._plan.definitions[name]
        properties = self._plan.properties(name)
        problems = SCHEMAS[definition.type].problems(properties)
        if problems:
            detail = "\n".join(problems)
            self._problems.append(f"Properties validation failed for resource {name} with message:\n{detail}")
        resource = self._resources.get(name)
        if resource is None:
            self._fresh.add(name)
            yield Change("Add", name, definition.type, after=properties)
            return
        changed = changes(resource, properties, self._plan.tags(name, properties))
        details = [row for prop in sorted(changed) for row in self._details(resource, prop, properties)]
        if canonical(resource.definition.metadata) != canonical(definition.metadata):
            details.append(Detail("Metadata", "", "", False, "DirectModification", ""))
        if not details:
            return
        replacement = self._replacement(resource, details)
        if replacement == "True" or replaces(resource.type, changed):
            self._fresh.add(name)
        else:
            self._modified[name] = properties
        policy = "" if replacement == "False" else _replacing(definition.update_replace_policy)
        yield Change(
            "Modify", name, resource.type, resource.physical_id, replacement, tuple(details), policy,
            resource.properties, properties,
        )  # fmt: skip

    def _details(self, resource: Resource, name: str, properties: Mapping[str, Any]) -> Iterator[Detail]:
        kind, schema = KINDS[resource.type], SCHEMAS[resource.type]
        recreation = "Never" if name in kind.moves else schema.recreation(name)
        after = properties.get(name)
        attribute = "Tags" if name == kind.tag_property else "Properties"
        for source, entity in self._causes(resource, name):
            yield Detail(
                attribute,
                "" if attribute == "Tags" else name,
                recreation,
                source in ("ResourceReference", "ResourceAttribute") or has_unknown(after),
                source,
                entity,
                resource.properties.get(name),
                after,
            )

    def _causes(self, resource: Resource, name: str) -> list[tuple[str, str]]:
        """(ChangeSource, CausingEntity) of a changed property."""
        raw = self._plan.definitions[resource.logical_id].properties.get(name)
        causes = []
        if canonical(raw) != canonical(resource.definition.properties.get(name)):
            causes.append(("DirectModification", ""))
        for entity, attribute in dict.fromkeys(references(raw, self._plan.resolver.condition)):
            if entity in self._target.parameters.values:
                before = self._old.parameters.values.get(entity)
                if before != self._target.parameters.values[entity]:
                    causes.append(("ParameterReference", entity))
            elif entity in self._fresh or (entity in self._modified and attribute):
                path = f"{entity}.{attribute}" if attribute else entity
                causes.append(("ResourceAttribute" if attribute else "ResourceReference", path))
        return causes or [("DirectModification", "")]

    def _replacement(self, resource: Resource, details: list[Detail]) -> str:
        """The strongest of the details; a value that surely changes counts as known."""
        always = [detail for detail in details if detail.recreation == "Always"]
        sure = [detail for detail in always if not detail.dynamic or detail.entity.split(".")[0] in self._fresh]
        if sure:
            return "True"
        return "Conditional" if always or any(detail.recreation == "Conditionally" for detail in details) else "False"


def _removal(resource: Resource) -> str:
    policy = resource.definition.deletion_policy
    return "Retain" if policy.startswith("Retain") else policy


def _replacing(policy: str) -> str:
    return f"ReplaceAnd{policy if policy in ('Retain', 'Snapshot') else 'Delete'}"


def _bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def _detail_row(detail: Detail, *, values: bool) -> dict[str, Any]:
    target: dict[str, Any] = {
        "Attribute": detail.attribute,
        "Name": detail.name or None,
        "RequiresRecreation": detail.recreation or "Never",
    }
    if values and detail.name:
        target["Path"] = f"/Properties/{detail.name}"
        target["BeforeValue"] = None if detail.before is None else _shown(detail.before)
        target["AfterValue"] = None if detail.after is None else _shown(detail.after)
    return {
        "Target": target,
        "Evaluation": "Dynamic" if detail.dynamic else "Static",
        "ChangeSource": detail.source,
        "CausingEntity": detail.entity or None,
    }


def _shown(value: Any) -> str:
    plain = _plain(value)
    return json.dumps(plain) if isinstance(plain, dict | list) else text(plain)


def _context(properties: Mapping[str, Any]) -> str:
    return json.dumps({"Properties": _plain(dict(properties))})


def _plain(value: Any) -> Any:
    """UNKNOWN written as AWS writes it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return repr(value) if value is UNKNOWN else value
