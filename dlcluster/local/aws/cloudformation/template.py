"""A template: its sections, checked with AWS's own messages, and the order of its resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dlcluster.local.aws.cloudformation import body
from dlcluster.local.aws.cloudformation.intrinsics import PSEUDO, error, function_of, references
from dlcluster.local.aws.cloudformation.schema import SCHEMAS

SECTIONS = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
]
RESOURCE_KEYS = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "Metadata",
        "CreationPolicy",
        "UpdatePolicy",
        "DeletionPolicy",
        "UpdateReplacePolicy",
    ]
)
OUTPUT_KEYS = frozenset(("Value", "Description", "Export", "Condition"))
SIGNALLED = ("AWS::AutoScaling::AutoScalingGroup", "AWS::CloudFormation::WaitCondition", "AWS::EC2::Instance")
SNAPSHOTS = ("AWS::EC2::Volume",)
DELETION_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
MAX_RESOURCES, MAX_PARAMETERS, MAX_OUTPUTS, MAX_MAPPINGS = 500, 200, 200, 200
_NAMED_IAM = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_LANGUAGE = ("Fn::ToJsonString", "Fn::Length", "Fn::GetStackOutput")
_LOGICAL_ID = re.compile("[A-Za-z0-9]{1,255}")


@dataclass(frozen=True)
class Definition:
    """One entry of the Resources section."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    metadata: Any = None
    creation_policy: dict[str, Any] = field(default_factory=dict)
    update_policy: dict[str, Any] = field(default_factory=dict)
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"

    def dependencies(self, taken: Callable[[str], bool | None] = lambda _: None) -> set[str]:
        """Names that this resource refers to (resources, parameters, pseudo parameters alike)."""
        parts = [self.properties, self.metadata, self.creation_policy, self.update_policy]
        return {name for name, _ in references(parts, taken)} | set(self.depends_on)


@dataclass(frozen=True)
class Template:
    """A template that passed every check that needs no parameter values."""

    body: str
    document: dict[str, Any]
    resources: dict[str, Definition]

    def section(self, name: str) -> dict[str, Any]:
        """A section of the document, empty when it is not there."""
        return self.document.get(name) or {}

    @property
    def description(self) -> str:
        return str(self.document.get("Description", ""))

    def capabilities(self) -> tuple[list[str], str]:
        """(capabilities that this template requires, the reason), both empty when it needs none."""
        iam = [item for item in self.resources.values() if item.type.startswith("AWS::IAM::")]
        named = any(_NAMED_IAM.get(item.type, "") in item.properties for item in iam)
        kinds = ", ".join(sorted({item.type for item in iam}))
        if not iam:
            return [], ""
        return (
            ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"],
            f"The following resource(s) require capabilities: [{kinds}]",
        )


def parse(source: str) -> Template:
    """Read and check a template. Raises AwsError(ValidationError)."""
    document = body.load(source)
    unknown = [name for name in document if name not in SECTIONS]
    if unknown:
        raise error(f"Invalid template property or properties [{', '.join(map(str, unknown))}]")
    if document.get("Transform"):
        raise error(f"Transforms are not supported by this endpoint: {document['Transform']}")
    for name in ("Conditions", "Resources", "Outputs"):
        _refuse_macros(document.get(name))
    if str(document.get("AWSTemplateFormatVersion", "2010-09-09")) != "2010-09-09":
        raise error(f"Template format error: {document['AWSTemplateFormatVersion']} is not a supported value for "
                    "AWSTemplateFormatVersion.")  # fmt: skip
    for name in ("Conditions", "Mappings", "Metadata", "Outputs", "Parameters", "Resources", "Rules"):
        if not isinstance(document.get(name) or {}, dict):
            raise error(f"Template format error: {name} must be an object")
    _limits(document)
    resources = {name: _definition(name, item) for name, item in document["Resources"].items()}
    template = Template(source, document, resources)
    _check_types(resources.values())
    _check_outputs(template)
    _check_conditions(template)
    _check_references(template)
    order({name: item.dependencies() & resources.keys() for name, item in resources.items()})
    return template


def _refuse_macros(value: Any) -> None:
    """Functions that a transform would have to run are refused, wherever they stand."""
    if isinstance(value, dict):
        for name in value:
            if name == "Fn::Transform" or (name in _LANGUAGE and len(value) == 1):
                needs = "" if name == "Fn::Transform" else " needs AWS::LanguageExtensions"
                raise error(f"Transforms are not supported by this endpoint: {name}{needs}")
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        _refuse_macros(item)


def _limits(document: dict[str, Any]) -> None:
    if not document.get("Resources"):
        raise error("Template format error: At least one Resources member must be defined.")
    limits = {"Resources": MAX_RESOURCES, "Parameters": MAX_PARAMETERS, "Outputs": MAX_OUTPUTS,
              "Mappings": MAX_MAPPINGS}  # fmt: skip
    for section, limit in limits.items():
        size = len(document.get(section) or {})
        if size > limit:
            raise error(f"Template format error: Number of {section.lower()}, {size}, is greater than maximum "
                        f"allowed, {limit}")  # fmt: skip


def _definition(name: str, item: Any) -> Definition:
    if str(name).startswith("Fn::ForEach"):
        raise error(f"Transforms are not supported by this endpoint: {name} needs AWS::LanguageExtensions")
    if not _LOGICAL_ID.fullmatch(str(name)):
        raise error(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(item, dict):
        raise error("Template format error: Every Resources member must be an object.")
    if not isinstance(item.get("Type"), str):
        raise error(f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member.")
    unknown = sorted(set(item) - RESOURCE_KEYS)
    if unknown:
        raise error(f"Invalid template resource property '{unknown[0]}'")
    depends = item.get("DependsOn", [])
    depends = [depends] if isinstance(depends, str) else depends
    if not isinstance(depends, list) or not all(isinstance(entry, str) for entry in depends):
        raise error("Template format error: DependsOn must be a string or list of strings.")
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        if item.get(key, "Delete") not in DELETION_POLICIES:
            raise error(f"Template format error: Unrecognized {key} {item[key]} for resource {name}")
    return Definition(
        name,
        item["Type"],
        item.get("Properties") or {},
        tuple(depends),
        item.get("Condition"),
        item.get("Metadata"),
        item.get("CreationPolicy") or {},
        item.get("UpdatePolicy") or {},
        item.get("DeletionPolicy", "Delete"),
        item.get("UpdateReplacePolicy", "Delete"),
    )


def _check_types(resources: Collection[Definition]) -> None:
    kinds = {item.type for item in resources}
    unknown = sorted(kind for kind in kinds if kind not in SCHEMAS and not SCHEMAS.exists(kind))
    if unknown:
        raise error(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    for item in resources:
        if "Snapshot" in (item.deletion_policy, item.update_replace_policy) and item.type not in SNAPSHOTS:
            raise error(f"Template error: resource type {item.type} does not support deletion policy Snapshot")
        if item.creation_policy and item.type not in SIGNALLED:
            raise error(f"CreationPolicy is not supported for resource type {item.type} (resource {item.logical_id})")


def _check_outputs(template: Template) -> None:
    for name, item in template.section("Outputs").items():
        if not isinstance(item, dict) or "Value" not in item:
            raise error("Template format error: Every Outputs member must contain a Value object")
        unknown = sorted(set(item) - OUTPUT_KEYS)
        if unknown:
            raise error(f"Invalid template property or properties [{', '.join(unknown)}]")
        if not _LOGICAL_ID.fullmatch(str(name)):
            raise error(f"Template format error: Output name {name} is non alphanumeric.")
        if "Export" in item and (not isinstance(item["Export"], dict) or set(item["Export"]) != {"Name"}):
            raise error(f"Template format error: Output {name} is malformed. The Export field must contain a Name")


def _check_conditions(template: Template) -> None:
    known = template.section("Conditions")
    for block in ("Conditions", "Resources", "Outputs"):
        for name in _condition_names(template.section(block), block):
            if name not in known:
                raise error(f"Template format error: Unresolved condition dependency {name} in the {block} block "
                            "of the template")  # fmt: skip


def _condition_names(value: Any, block: str) -> Iterable[str]:
    """Conditions used in a block: `Condition` keys of its members, Fn::If anywhere, nested `Condition`."""
    if block != "Conditions" and isinstance(value, dict):
        for item in value.values():
            if isinstance(item, dict) and "Condition" in item:
                yield str(item["Condition"])
    yield from _nested_conditions(value, everywhere=block == "Conditions")


def _nested_conditions(value: Any, *, everywhere: bool) -> Iterable[str]:
    call = function_of(value)
    if call and call[0] == "Fn::If" and isinstance(call[1], list) and call[1]:
        yield str(call[1][0])
    if everywhere and isinstance(value, dict) and isinstance(value.get("Condition"), str) and len(value) == 1:
        yield value["Condition"]
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nested_conditions(child, everywhere=everywhere)


def _check_references(template: Template) -> None:
    values = set(template.section("Parameters")) | {f"AWS::{name}" for name in PSEUDO}
    outside = {name for name, _ in references(template.section("Conditions"))} - values
    if outside:
        raise error(f"Template format error: Unresolved dependencies [{', '.join(sorted(outside))}]. Cannot "
                    "reference resources in the Conditions block of the template")  # fmt: skip
    for block in ("Resources", "Outputs"):
        section = template.section(block)
        found = set(references(section))
        if block == "Resources":
            found |= {(name, "") for item in template.resources.values() for name in item.depends_on}
        missing = sorted({name for name, attribute in found if not attribute} - values - template.resources.keys())
        if missing:
            raise error(f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the "
                        f"{block} block of the template")  # fmt: skip
        for name, attribute in sorted(found):
            if attribute:
                _check_attribute(template, name, attribute)


def _check_attribute(template: Template, name: str, attribute: str) -> None:
    if name not in template.resources:
        raise error(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    kind = template.resources[name].type
    if attribute != "*" and not SCHEMAS.has_attribute(kind, attribute):
        raise error(f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt")


def order(graph: Mapping[str, set[str]]) -> list[str]:
    """Names so that each comes after all that it depends on, otherwise in the given order.

    Raises AwsError(ValidationError) that names the members of a cycle.
    """
    left = dict(graph)
    ordered: list[str] = []
    done: set[str] = set()
    while left:
        ready = [name for name, needs in left.items() if needs <= done or not (needs - done) & left.keys()]
        if not ready:
            raise error(f"Circular dependency between resources: [{', '.join(sorted(_cycle(left)))}]")
        for name in ready:
            del left[name]
        ordered += ready
        done.update(ready)
    return ordered


def _cycle(graph: Mapping[str, set[str]]) -> set[str]:
    """The nodes left after taking away, again and again, all that nobody in the graph depends on."""
    left = dict(graph)
    while True:
        needed = set().union(*left.values()) if left else set()
        leaves = [name for name in left if name not in needed]
        if not leaves:
            return set(left)
        for name in leaves:
            del left[name]
