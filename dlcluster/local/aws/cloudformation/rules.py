"""The Rules section: assertions on parameters, tried before anything is made.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dlcluster.local.aws.cloudformation.intrinsics import error, text

_KEYS = {"RuleCondition", "Assertions"}
_REFUSED = ("Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll")


def check(section: Mapping[str, Any], values: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
    """Raises AwsError(ValidationError) with the descriptions of all assertions that do not hold."""
    rules = _Rules(values, mappings)
    broken = []
    for name, rule in section.items():
        if not isinstance(rule, dict) or not rule.get("Assertions") or set(rule) - _KEYS:
            raise error(f"Template format error: Rule {name} must contain Assertions, and may contain a RuleCondition")
        if "RuleCondition" in rule and not rules.holds(rule["RuleCondition"]):
            continue
        for item in rule["Assertions"]:
            if not rules.holds(item.get("Assert")):
                broken.append(f"Rule {name}: {item.get('AssertDescription', 'an assertion does not hold')}")
    if broken:
        raise error(f"Template constraints failed: {'; '.join(broken)}")


class _Rules:
    """Evaluates rule-specific functions; values are those of the parameters and pseudo parameters."""

    def __init__(self, values: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        self._values = values
        self._mappings = mappings

    def holds(self, rule: Any) -> bool:
        name, argument = _call(rule)
        if name is None or name not in _LOGIC:
            raise error(f"Template format error: {name or rule} cannot be used as an assertion or a rule condition")
        return _LOGIC[name](self, argument if isinstance(argument, list) else [argument])

    def _and(self, items: list[Any]) -> bool:
        return all(self.holds(item) for item in items)

    def _or(self, items: list[Any]) -> bool:
        return any(self.holds(item) for item in items)

    def _not(self, items: list[Any]) -> bool:
        return not self.holds(items[0])

    def _equals(self, items: list[Any]) -> bool:
        left, right = (self._value(item) for item in items)
        return _plain(left) == _plain(right)

    def _contains(self, items: list[Any]) -> bool:
        return text(self._value(items[1])) in self._list(items[0])

    def _each_equals(self, items: list[Any]) -> bool:
        wanted = text(self._value(items[1]))
        return all(item == wanted for item in self._list(items[0]))

    def _each_in(self, items: list[Any]) -> bool:
        return set(self._list(items[0])) <= set(self._list(items[1]))

    def _list(self, value: Any) -> list[str]:
        found = self._value(value)
        return [text(item) for item in (found if isinstance(found, list) else [found])]

    def _value(self, value: Any) -> Any:
        """A literal, a parameter, or a row of a mapping."""
        if isinstance(value, list):
            return [self._value(item) for item in value]
        name, argument = _call(value)
        if name is None:
            return value
        if name == "Ref" and argument in self._values:
            return self._values[argument]
        if name == "Fn::FindInMap" and isinstance(argument, list) and len(argument) == 3:
            first, second, third = (text(self._value(item)) for item in argument)
            try:
                return self._mappings[first][second][third]
            except (KeyError, TypeError):
                raise error(f"Template error: Unable to get mapping for {first}::{second}::{third}") from None
        if name in _REFUSED:
            raise error(f"{name} in the Rules section is not supported by this endpoint")
        raise error(f"Template format error: {name} {argument} cannot be used in the Rules section")


def _call(value: Any) -> tuple[str | None, Any]:
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.items()))
    return None, value


def _plain(value: Any) -> Any:
    return [text(item) for item in value] if isinstance(value, list) else text(value)


_LOGIC: dict[str, Callable[[_Rules, list[Any]], bool]] = {
    "Fn::And": _Rules._and,
    "Fn::Or": _Rules._or,
    "Fn::Not": _Rules._not,
    "Fn::Equals": _Rules._equals,
    "Fn::Contains": _Rules._contains,
    "Fn::EachMemberEquals": _Rules._each_equals,
    "Fn::EachMemberIn": _Rules._each_in,
}
