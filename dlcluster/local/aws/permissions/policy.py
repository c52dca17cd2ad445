"""Policies and what they say to a request: allowed, denied, or nothing.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dlcluster.local.aws.permissions.conditions import UnknownOperator, holds, known
from dlcluster.local.aws.permissions.keys import Keys, UnknownKey, Unresolved


@dataclass(frozen=True)
class Need:
    """One thing that a request must be allowed to do."""

    action: str  # such as ec2:CreateTags
    resource: str  # ARN, "*" for an action that knows no resources
    keys: Keys


@dataclass(frozen=True)
class Principal:
    """Who asks. `allows`: names by which a resource's policy can let it in, `denies`: by which it can keep it out."""

    arn: str
    allows: frozenset[str] = frozenset({"*"})
    denies: frozenset[str] = frozenset({"*"})


@dataclass
class Verdict:
    """What policies say; `doubts` holds keys and operators that are not emulated and would have decided."""

    allowed: bool = False
    denied: bool = False
    doubts: list[str] = field(default_factory=list)


def judge(policies: Iterable[str], need: Need, principal: Principal | None = None) -> Verdict:
    """What policies (JSON) say to a need. principal: for policies of a resource, which name who they are about.

    What cannot be decided is refused: an Allow that depends on it does not hold, a Deny does.
    """
    verdict = Verdict()
    for document in policies:
        policy = json.loads(document)
        variables = policy.get("Version") == "2012-10-17"
        for statement in _list(policy.get("Statement", [])):
            _weigh(statement, need, principal, variables, verdict)
    return verdict


def problem(document: str) -> str | None:
    """What is wrong with a resource's policy; None when nothing is."""
    try:
        policy = json.loads(document)
    except ValueError:
        return "Policies must be valid JSON and the first byte must be '{'"
    if not isinstance(policy, dict):
        return "Policies must be valid JSON and the first byte must be '{'"
    for statement in _list(policy.get("Statement", [])):
        if statement.get("Effect") not in ("Allow", "Deny"):
            return f"Invalid effect: {statement.get('Effect')}"
        for name in ("Action", "Resource", "Principal"):
            if (name in statement) == ("Not" + name in statement):
                return f"Missing required field {name}"
        for operator in statement.get("Condition", {}):
            if not known(operator):
                return f"Invalid Condition type : {operator}"
    return None


def _weigh(
    statement: dict[str, Any], need: Need, principal: Principal | None, variables: bool, verdict: Verdict
) -> None:
    denies = statement["Effect"] == "Deny"
    if principal is not None and not _is_about(statement, principal.denies if denies else principal.allows):
        return
    if not _acts(statement, need.action):
        return
    try:
        applies = _reaches(statement, need, variables) and holds(
            statement.get("Condition", {}), need.keys, variables=variables
        )
    except Unresolved:
        return
    except (UnknownKey, UnknownOperator) as doubt:
        verdict.doubts.append(str(doubt))
        applies = denies
    except ValueError:  # a value that is no number, date or address
        applies = denies
    if applies:
        verdict.denied |= denies
        verdict.allowed |= not denies


def _is_about(statement: dict[str, Any], names: frozenset[str]) -> bool:
    if "NotPrincipal" in statement:
        return not _principals(statement["NotPrincipal"]) & names
    return bool(_principals(statement.get("Principal", {})) & names)


def _principals(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(_list(value.get("AWS", [])))


def _acts(statement: dict[str, Any], action: str) -> bool:
    def found(patterns: Any) -> bool:
        return any(re.fullmatch(_glob(item), action, re.IGNORECASE) for item in _list(patterns))

    return found(statement["Action"]) if "Action" in statement else not found(statement.get("NotAction", "*"))


def _reaches(statement: dict[str, Any], need: Need, variables: bool) -> bool:
    def found(patterns: Any) -> bool:
        return any(_covers(item, need, variables) for item in _list(patterns))

    if "Resource" in statement:
        return found(statement["Resource"])
    return "NotResource" in statement and not found(statement["NotResource"])


def _covers(pattern: str, need: Need, variables: bool) -> bool:
    if need.resource == "*":
        return pattern == "*"
    expression = need.keys.pattern(pattern, wildcards=True, variables=variables)
    return re.fullmatch(expression, need.resource, re.DOTALL) is not None


def _glob(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
