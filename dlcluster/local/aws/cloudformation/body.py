"""The text of a template as plain data: JSON, or YAML with the short forms of the intrinsic functions."""

from __future__ import annotations

import json
from typing import Any

import yaml

from dlcluster.local.aws.query import AwsError

_SHORT_FORMS = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "Transform",
    "GetAtt",
    "Length",
    "ToJsonString",
    "ForEach",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "RefAll",
    "ValueOf",
    "ValueOfAll",
]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as CloudFormation reads it: dates stay strings, `!Fn` is `Fn::Fn`."""


# "2010-09-09" (AWSTemplateFormatVersion, policy versions) must not become a date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: Any, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if suffix not in (*_SHORT_FORMS, "Ref", "Condition"):
        raise yaml.constructor.ConstructorError(None, None, f"unknown tag !{suffix}", node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(text: str) -> dict[str, Any]:
    """The template document. Raises AwsError(ValidationError) with AWS's words and the place of the fault."""
    kind = "JSON" if text.lstrip().startswith("{") else "YAML"
    try:
        document = json.loads(text) if kind == "JSON" else yaml.load(text, Loader=_Loader)
    except json.JSONDecodeError as error:
        raise _malformed(kind, error.lineno, error.colno) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _malformed(kind, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError, TypeError):
        raise _malformed(kind, 1, 1) from None
    if not isinstance(document, dict):
        raise AwsError("ValidationError", "Template format error: unsupported structure.")
    return document


def _malformed(kind: str, line: int, column: int) -> AwsError:
    return AwsError("ValidationError", f"Template format error: {kind} not well-formed. (line {line}, column {column})")
