"""A template with its values: which resources there are to be, in which order, with which properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlcluster.local.aws.cloudformation import rules
from dlcluster.local.aws.cloudformation.intrinsics import NO_VALUE, Resolver, Scope, error, references, text
from dlcluster.local.aws.cloudformation.model import Resource, Target
from dlcluster.local.aws.cloudformation.schema import SCHEMAS
from dlcluster.local.aws.cloudformation.template import order
from dlcluster.local.aws.cloudformation.types import KINDS, refused, rolling


@dataclass(frozen=True)
class Identity:
    """Whose stack it is."""

    name: str
    id: str
    region: str
    account_id: str

    def pseudo_parameters(self) -> dict[str, Any]:
        """The AWS::... values."""
        china = self.region.startswith("cn-")
        partition = "aws-cn" if china else "aws-us-gov" if self.region.startswith("us-gov-") else "aws"
        return {
            "AWS::AccountId": self.account_id,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": partition,
            "AWS::Region": self.region,
            "AWS::StackId": self.id,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com.cn" if china else "amazonaws.com",
        }


class Plan:
    """Raises AwsError(ValidationError) for what only shows with the values: conditions, dangling references."""

    def __init__(self, identity: Identity, target: Target, scope: Scope) -> None:
        self.identity = identity
        self.target = target
        self._scope = scope
        template = target.template
        self.resolver = Resolver(
            {
                **identity.pseudo_parameters(),
                "AWS::NotificationARNs": list(target.topics),
                **target.parameters.values,
            },
            template.section("Mappings"),
            template.section("Conditions"),
            scope,
        )
        rules.check(template.section("Rules"), self.resolver.values, template.section("Mappings"))
        self.definitions = {
            name: item
            for name, item in template.resources.items()
            if item.condition is None or self.resolver.condition(item.condition)
        }
        self._check_dangling()
        self._check_support()
        graph = {name: self.dependencies(name) for name in self.definitions}
        self.order = order(graph)
        self.graph = {name: graph[name] for name in self.order}

    def dependencies(self, name: str) -> set[str]:
        """The resources of this plan that one refers to."""
        return self.definitions[name].dependencies(self.resolver.condition) & self.definitions.keys()

    def _check_dangling(self) -> None:
        absent = self.target.template.resources.keys() - self.definitions.keys()
        for item in self.definitions.values():
            parts = [item.properties, item.metadata, item.creation_policy, item.update_policy]
            lost = {ref for ref, _ in references(parts, self.resolver.condition)} & absent
            if lost:
                raise error(f"Template format error: Unresolved resource dependencies [{', '.join(sorted(lost))}] "
                            "in the Resources block of the template")  # fmt: skip

    def _check_support(self) -> None:
        for name, item in self.definitions.items():
            if item.type not in KINDS:
                reason = refused.reason(item.type)
                raise error(f"{item.type} (resource {name}) is not supported by this endpoint"
                            f"{': ' if reason else ''}{reason}")  # fmt: skip
            schema, kind = SCHEMAS[item.type], KINDS[item.type]
            allowed = set((schema.tree or {}).get("p", {}))
            for extra in sorted((item.properties.keys() & allowed) - kind.properties):
                raise error(f"Property {extra} of {item.type} (resource {name}) is not supported by this endpoint")
            if item.update_policy and (reason := rolling.problem(item.type, item.update_policy)):
                raise error(f"{reason} (resource {name})")

    def properties(self, name: str) -> dict[str, Any]:
        """The resolved properties of a resource."""
        definition = self.definitions[name]
        return KINDS[definition.type].enrich(self.resolver.resolve(definition.properties), self._scope)

    def tags(self, name: str, properties: Mapping[str, Any]) -> dict[str, str]:
        """What the resource carries: its own tags over the stack's, and AWS's three where the type takes them."""
        definition = self.definitions[name]
        schema, kind = SCHEMAS[definition.type], KINDS[definition.type]
        if not schema.taggable or kind.tag_property not in kind.properties:
            return {}
        tags = {**self.target.tags, **kind.own_tags(properties)}
        if schema.system_tags and kind.system_tags:
            tags["aws:cloudformation:stack-name"] = self.identity.name
            tags["aws:cloudformation:stack-id"] = self.identity.id
            tags["aws:cloudformation:logical-id"] = name
        return tags

    def outputs(self) -> list[dict[str, Any]]:
        """The resolved outputs, conditions applied."""
        rows = []
        for name, item in self.target.template.section("Outputs").items():
            if "Condition" in item and not self.resolver.condition(text(item["Condition"])):
                continue
            value = self.resolver.resolve(item["Value"])
            if isinstance(value, list | dict) or value is NO_VALUE:
                raise error(f"Template format error: The Value field of every Outputs member must evaluate to a "
                            f"String. ({name})")  # fmt: skip
            row = {"OutputKey": name, "OutputValue": text(value), "Description": item.get("Description")}
            if "Export" in item:
                row["ExportName"] = text(self.resolver.resolve(item["Export"]["Name"]))
            rows.append(row)
        return rows


def canonical(value: Any) -> Any:
    """A form in which equal properties compare equal ("200" and 200, "true" and true)."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return text(value) if isinstance(value, bool | int | float) else value


def changes(resource: Resource, properties: Mapping[str, Any], tags: Mapping[str, str]) -> frozenset[str]:
    """Top-level properties that differ from what was last applied; stack tags count as the type's own."""
    old, new = canonical(resource.properties), canonical(properties)
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if SCHEMAS[resource.type].tag_updatable and resource.tags != tags:
        changed.add(KINDS[resource.type].tag_property)
    return frozenset(changed)


def replaces(resource_type: str, changed: frozenset[str]) -> bool:
    """Whether a change needs a new physical resource; where AWS says "it depends", what cannot be changed does."""
    kind, schema = KINDS[resource_type], SCHEMAS[resource_type]
    return any(
        schema.recreation(name) == "Always" or (schema.recreation(name) == "Conditionally" and name not in kind.mutable)
        for name in changed - kind.moves
    )
