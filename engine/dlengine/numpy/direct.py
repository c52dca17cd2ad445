"""The usual calls of a function of tensors, which need no conversion: arrays of ours, no dtype and no `out`.

For them a function with the same parameters is written out as text, as `dataclasses` writes `__init__`: passing *args
and **kwargs on would cost as much as everything else that a call does beyond torch's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import ndarray, wrap, wrap_all

ONE, OPTIONAL, MANY, DTYPE = ("Tensor", "Tensor | None", "Tensors", "Dtype")

_SOURCE = """
def make(function, public, general, asked, defaults, ndarray, wrap, wrap_all, explain, Tensor):
    def call{heading}:
        if {usual}:
            try:
                result = function({handed})
            except (RuntimeError, IndexError) as error:
                args, kwargs = asked(({values}), {more}, {named})
                return explain(public, error, args, kwargs)
            return wrap(result) if type(result) is Tensor else wrap_all(result)
        args, kwargs = asked(({values}), {more}, {named})
        return general(*args, **kwargs)
    return call
"""
_USUAL = {
    ONE: "type({0}) is ndarray",
    OPTIONAL: "({0} is None or type({0}) is ndarray)",
    MANY: "type({0}) in (list, tuple) and all([type(array) is ndarray for array in {0}])",
    DTYPE: "{0} is None",
}
_HANDED = {
    ONE: "{0}._tensor",
    OPTIONAL: "None if {0} is None else {0}._tensor",
    MANY: "[array._tensor for array in {0}]",
}


class _Default:
    """A default value, which the text takes from a dict by its parameter's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"defaults[{self.name!r}]"


def direct(
    function: Callable[..., Any], public: str, general: Callable[..., Any], rules: dict[str, str]
) -> Callable[..., Any]:
    """A function of arrays with the parameters of `function`; what is not usual goes to `general`."""
    parameters = list(inspect.signature(function).parameters.values())
    kinds = {kind: [p.name for p in parameters if p.kind is kind] for kind in inspect._ParameterKind}
    values = [*kinds[inspect._ParameterKind.POSITIONAL_ONLY], *kinds[inspect._ParameterKind.POSITIONAL_OR_KEYWORD]]
    keywords = kinds[inspect._ParameterKind.KEYWORD_ONLY]
    (more,), (rest,) = ((kinds[k] or [""]) for k in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD))
    usual = [_USUAL[rules[name]].format(name) for name in (*values, *keywords) if name in rules]
    named = [f"{name!r}: {name}" for name in keywords]
    handed = [_HANDED.get(rules.get(name, ""), "{0}").format(name) for name in values]
    handed += [f"*{more}"] if more else []
    handed += [f"{name}=" + _HANDED.get(rules.get(name, ""), "{0}").format(name) for name in keywords]
    handed += [f"**{rest}"] if rest else []
    if "out" not in [p.name for p in parameters]:
        out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
        parameters = [*(p for p in parameters if p.name != rest), out, *(p for p in parameters if p.name == rest)]
        usual.append("out is None")
        named.append("'out': out")
    if rest:
        named.append(f"**{rest}")
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    plain = [
        p.replace(annotation=p.empty, default=_Default(p.name) if p.name in defaults else p.empty) for p in parameters
    ]
    source = _SOURCE.format(
        heading=inspect.Signature(plain), usual=" and ".join(usual), handed=", ".join(handed),
        values="".join(f"{name}, " for name in values), more=more or "()", named="{" + ", ".join(named) + "}",
    )  # fmt: skip
    space: dict[str, Any] = {}
    exec(compile(source, f"<dlengine.numpy.{public}>", "exec"), globals(), space)
    asked = functools.partial(_asked, [defaults.get(name, _Default) for name in values], defaults)
    return space["make"](function, public, general, asked, defaults, ndarray, wrap, wrap_all, errors.explain, Tensor)


def _asked(
    ordered: list[Any], defaults: dict[str, Any], values: tuple[Any, ...], more: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments without those that are the defaults, of which NumPy may know nothing."""
    count = len(values)
    while count and not more and values[count - 1] is ordered[count - 1]:
        count -= 1
    return (*values[:count], *more), {
        key: value for key, value in named.items() if value is not defaults.get(key, ordered)
    }
