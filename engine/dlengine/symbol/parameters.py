"""What the parameters of an operator may be: the annotation of a parameter names its rule."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from dlengine.errors import EngineError, unknown

Count = int  # a whole number, at least 1
Whole = int  # a whole number, at least 0
Integer = int  # any whole number
Fraction = float  # at least 0 and below 1
Positive = float  # above 0
Number = float  # any finite number
Sizes = tuple[int, ...]  # numbers of at least 1, one per spatial axis; 3 means (3, 3)
Pads = tuple[int, ...]  # the same with numbers of at least 0
Integers = tuple[int, ...]  # whole numbers
Text = str  # one of a fixed list that the operator knows

Rule = Callable[[Any], Any]


def check(where: str, function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The parameters with defaults filled in and each in its plain form.

    Raises EngineError for one that is unknown, missing, or no value that it may have.
    """
    wanted = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in given:
        if name not in wanted:
            error = unknown("parameter", name, wanted)
            raise EngineError(f"{where}: {error.what}", error.hint)
    checked = {}
    for name, parameter in wanted.items():
        value = given.get(name, parameter.default)
        if value is inspect.Parameter.empty:
            raise EngineError(f"{where}: {name} is missing", f"it needs {name}=...")
        checked[name] = None if value is None and parameter.default is None else _apply(where, name, parameter, value)
    return checked


def choose(where: str, kind: str, value: str, known: dict[str, Any]) -> Any:
    """What a table holds under a name; EngineError that lists the names otherwise."""
    if value not in known:
        error = unknown(kind, value, known)
        raise EngineError(f"{where}: {error.what}", error.hint)
    return known[value]


def _apply(where: str, name: str, parameter: inspect.Parameter, value: Any) -> Any:
    rule, wanted = _RULES[str(parameter.annotation).removesuffix(" | None")]
    try:
        return rule(value)
    except (ValueError, TypeError, OverflowError):
        raise EngineError(f"{where}: {name}={value!r}", f"{name} is {wanted}") from None


def _whole(least: float) -> Rule:
    def rule(value: Any) -> int:
        if isinstance(value, bool) or int(value) != value or value < least:
            raise ValueError
        return int(value)

    return rule


def _number(least: float = -math.inf, below: float = math.inf, *, above: float = -math.inf) -> Rule:
    def rule(value: Any) -> float:
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not right or not (least <= value < below and value > above):
            raise ValueError
        return value

    return rule


def _several(least: float, longest: int) -> Rule:
    one = _whole(least)

    def rule(value: Any) -> tuple[int, ...]:
        values = tuple(map(one, value)) if isinstance(value, tuple | list) else (one(value),) * 2
        if not 1 <= len(values) <= longest:
            raise ValueError
        return values

    return rule


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(map(_whole(-math.inf), value if isinstance(value, tuple | list) else (value,)))


def _exactly(kind: type) -> Rule:
    def rule(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError
        return value

    return rule


_RULES: dict[str, tuple[Rule, str]] = {
    "Count": (_whole(1), "a whole number, at least 1"),
    "Whole": (_whole(0), "a whole number, at least 0"),
    "Integer": (_whole(-math.inf), "a whole number"),
    "Fraction": (_number(0, 1), "a number, at least 0 and below 1"),
    "Positive": (_number(above=0), "a number above 0"),
    "Number": (_number(), "a finite number"),
    "Sizes": (_several(1, 3), "a whole number of at least 1, or one for each of 1 to 3 axes"),
    "Pads": (_several(0, 3), "a whole number of at least 0, or one for each of 1 to 3 axes"),
    "Integers": (_integers, "whole numbers"),
    "Text": (_exactly(str), "a text"),
    "bool": (_exactly(bool), "True or False"),
}
