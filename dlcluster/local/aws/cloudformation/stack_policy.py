"""Stack policies: which updates of which resources a stack allows.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.query import AwsError

MAX_BYTES = 16_384
MODIFY, REPLACE, DELETE = "Update:Modify", "Update:Replace", "Update:Delete"
_ACTIONS = (MODIFY, REPLACE, DELETE)
_KEYS = {"Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition"}


@dataclass(frozen=True)
class StackPolicy:
    """`body` as it was given, and its statements."""

    body: str
    statements: tuple[dict[str, Any], ...]

    def denial(self, action: str, logical_id: str, resource_type: str) -> str:
        """Why an update action on a resource is refused, or "". What no statement allows is refused."""
        selected = [
            (number, statement)
            for number, statement in enumerate(self.statements, 1)
            if _selects(statement, action, logical_id, resource_type)
        ]
        for number, statement in selected:
            if statement["Effect"] == "Deny":
                return f"Action denied by stack policy: Statement [#{number}] denies [{action}] for resource " \
                       f"[LogicalResourceId/{logical_id}]"  # fmt: skip
        if not selected:
            return f"Action denied by stack policy: no statement allows [{action}] for resource " \
                   f"[LogicalResourceId/{logical_id}]"  # fmt: skip
        return ""


def parse(body: str) -> StackPolicy:
    """Read a policy. Raises AwsError(ValidationError)."""
    if not 1 <= len(body.encode()) <= MAX_BYTES:
        raise _invalid(f"a policy has 1 to {MAX_BYTES} bytes")
    try:
        document = json.loads(body)
    except ValueError:
        raise _invalid("it is not JSON") from None
    statements = document.get("Statement") if isinstance(document, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise _invalid("it has no statement")
    for statement in statements:
        _check(statement)
    return StackPolicy(body, tuple(statements))


def _invalid(why: str) -> AwsError:
    return error(f"Error validating stack policy: Invalid stack policy: {why}")


def _check(statement: Any) -> None:
    if not isinstance(statement, dict) or set(statement) - _KEYS:
        raise _invalid("a statement is malformed")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _invalid("the Effect of a statement is Allow or Deny")
    if statement.get("Principal") not in ("*", {"AWS": "*"}):
        raise _invalid("the Principal of a statement is *")
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (one in statement) == (other in statement):
            raise _invalid(f"a statement has either {one} or {other}")
    for action in _items(statement.get("Action", statement.get("NotAction"))):
        if not any(fnmatchcase(known, str(action)) for known in _ACTIONS):
            raise _invalid(f"unknown action {action}")
    for operator, condition in (statement.get("Condition") or {}).items():
        if operator not in ("StringEquals", "StringLike") or set(condition) != {"ResourceType"}:
            raise _invalid("a Condition is StringEquals or StringLike on ResourceType")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _selects(statement: dict[str, Any], action: str, logical_id: str, resource_type: str) -> bool:
    wanted = _either(statement, "Action", action) and _either(statement, "Resource", f"LogicalResourceId/{logical_id}")
    for operator, condition in (statement.get("Condition") or {}).items():
        types = _items(condition["ResourceType"])
        wanted = wanted and (resource_type in types if operator == "StringEquals" else _any(types, resource_type))
    return wanted


def _either(statement: dict[str, Any], name: str, value: str) -> bool:
    if name in statement:
        return _any(_items(statement[name]), value)
    return not _any(_items(statement[f"Not{name}"]), value)


def _any(patterns: list[Any], value: str) -> bool:
    return any(fnmatchcase(value, str(pattern)) for pattern in patterns)
