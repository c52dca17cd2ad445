"""The one exception that the engine raises for what a user can put right."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class EngineError(Exception):
    """Something the caller can put right: `what` happened, and a `hint` that says what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}\n  hint: {hint}" if hint else what)
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[type[EngineError], tuple[str, str]]:
        return type(self), (self.what, self.hint)


def unknown(kind: str, value: object, known: Iterable[str]) -> EngineError:
    """The error for a name outside a fixed list; it proposes the nearest known one."""
    names = list(known)
    near = [name for name in names if name == str(value).lower()] if isinstance(value, str) else []
    near = near or (difflib.get_close_matches(value, names, n=1) if isinstance(value, str) else [])
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    return EngineError(f"unknown {kind} {value!r}", hint)


def no_argument(function: str, name: str, known: Iterable[str]) -> EngineError:
    """The error for an argument that a function does not have."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    return EngineError(f"{function} has no argument '{name}'", hint)


def short_traceback(function: Callable[P, T]) -> Callable[P, T]:
    """Drop the engine's own frames from an EngineError, so that the user's line stands last.

    Also from the KeyboardInterrupt with which a run ends in good order; where another one struck is worth seeing.
    An argument that the function does not have is an EngineError with the nearest one.
    """
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            for name in kwargs:
                if name not in known:
                    raise no_argument(function.__name__, name, known)
            return function(*args, **kwargs)
        except (EngineError, KeyboardInterrupt) as error:
            if not error.args:
                raise
            raise error.with_traceback(None) from None

    return call


def whole(name: str, value: object, *, least: int) -> None:
    """Raise EngineError unless `value` is a whole number, also one of NumPy, of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
        raise EngineError(f"{name}={value!r}", f"{name} is a whole number, at least {least}")
