"""The operators of a policy's Condition block.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.permissions.keys import Keys

Test = Callable[[str, str], bool]  # value of the request, value of the policy (a regular expression for texts)


class UnknownOperator(Exception):
    """A condition operator that IAM does not have."""


def holds(conditions: Mapping[str, Mapping[str, Any]], keys: Keys, *, variables: bool) -> bool:
    """Whether every condition of a block holds. Raises UnknownOperator, UnknownKey, Unresolved."""
    return all(
        _one(operator, keys.get(name), _list(wanted), keys, variables)
        for operator, tests in conditions.items()
        for name, wanted in tests.items()
    )


def known(operator: str) -> bool:
    """Whether IAM has an operator of this name."""
    base = operator.rpartition(":")[2].removesuffix("IfExists")
    quantifier = operator.rpartition(":")[0]
    return quantifier in ("", "ForAllValues", "ForAnyValue") and (base == "Null" or base in _TESTS)


def _one(operator: str, actual: list[str] | None, wanted: list[str], keys: Keys, variables: bool) -> bool:
    if not known(operator):
        raise UnknownOperator(operator)
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if base == "Null":
        return (not actual) == (wanted[0].lower() == "true")
    test, negated = _TESTS[base]
    if not actual:
        return quantifier == "ForAllValues" or (quantifier == "" and (negated or name.endswith("IfExists")))
    if test in _PATTERNS:
        wanted = [keys.pattern(text, wildcards=_PATTERNS[test], variables=variables) for text in wanted]
    matches = [any(test(value, text) for text in wanted) != negated for value in actual]
    if quantifier == "ForAllValues" or (negated and not quantifier):
        return all(matches)
    return any(matches)


def _text(value: str, pattern: str) -> bool:
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _like(value: str, pattern: str) -> bool:
    return _text(value, pattern)


def _caseless(value: str, pattern: str) -> bool:
    return re.fullmatch(pattern, value, re.DOTALL | re.IGNORECASE) is not None


def _arn(value: str, pattern: str) -> bool:
    """The six parts of an ARN are compared one by one: a wildcard does not reach over a colon."""
    parts, wanted = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(wanted) == 6 and all(map(_text, parts, wanted))


def _bool(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _binary(value: str, wanted: str) -> bool:
    return value == wanted


def _address(value: str, network: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)


def _number(compare: Callable[[float, float], bool]) -> Test:
    return lambda value, wanted: compare(float(value), float(wanted))


def _date(compare: Callable[[float, float], bool]) -> Test:
    return lambda value, wanted: compare(_seconds(value), _seconds(wanted))


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _list(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


_PATTERNS = {_text: False, _like: True, _caseless: False, _arn: True}  # tests of patterns: with wildcards?
_TESTS: dict[str, tuple[Test, bool]] = {
    "StringEquals": (_text, False),
    "StringNotEquals": (_text, True),
    "StringEqualsIgnoreCase": (_caseless, False),
    "StringNotEqualsIgnoreCase": (_caseless, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
    "Bool": (_bool, False),
    "BinaryEquals": (_binary, False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
}
for _kind, _make in (("Numeric", _number), ("Date", _date)):
    _equal = _make(lambda a, b: a == b)
    _TESTS |= {
        f"{_kind}Equals": (_equal, False),
        f"{_kind}NotEquals": (_equal, True),
        f"{_kind}LessThan": (_make(lambda a, b: a < b), False),
        f"{_kind}LessThanEquals": (_make(lambda a, b: a <= b), False),
        f"{_kind}GreaterThan": (_make(lambda a, b: a > b), False),
        f"{_kind}GreaterThanEquals": (_make(lambda a, b: a >= b), False),
    }
