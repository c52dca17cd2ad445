"""Parameters of components: what a recipe may give, and what the scripts get."""

from __future__ import annotations

from typing import Any

from dlcluster.config.explain import shown
from dlcluster.image.model import Component, Parameter

_WORDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}


def mistake(parameter: Parameter, value: Any) -> str | None:
    """What is wrong with a value for the parameter, or None."""
    if not _has_type(parameter.type, value):
        quote = " (quote it)" if parameter.type == "string" and isinstance(value, int | float) else ""
        return f"expected {_WORDS[parameter.type]}{quote}, got {shown(value)}"
    if parameter.choices and value not in parameter.choices:
        return f"expected one of {', '.join(str(choice) for choice in parameter.choices)}, got {shown(value)}"
    if isinstance(value, str) and not value.isprintable():
        return "expected one line of printable characters"
    return None


def environment(component: Component, given: dict[str, Any]) -> dict[str, str]:
    """The PARAM_ variables of the component's scripts: what the recipe gives, else the default."""
    values = {name: given.get(name, parameter.default) for name, parameter in component.parameters.items()}
    return {f"PARAM_{name.upper()}": _text(value) for name, value in sorted(values.items())}


def _has_type(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    return isinstance(value, kinds[kind])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
