"""Which functions ran natively, which fell back to NumPy, and the time in each. Costs nothing while it is off."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dlengine.numpy import fallback, methods
from dlengine.numpy.core import ndarray


@dataclass
class Row:
    """One function: where it ran, how often, and for how many seconds (asynchronous on GPUs: until it was queued)."""

    name: str
    where: str
    calls: int = 0
    seconds: float = 0.0


@dataclass
class Statistics:
    """Rows by function; printed as a table, the longest first."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    depth: int = 0

    def add(self, name: str, where: str, seconds: float) -> None:
        row = self.rows.setdefault((name, where), Row(name, where))
        row.calls += 1
        row.seconds += seconds

    @property
    def native(self) -> list[Row]:
        return [row for row in self.rows.values() if row.where == "native"]

    @property
    def fallbacks(self) -> list[Row]:
        return [row for row in self.rows.values() if row.where == "numpy"]

    def __str__(self) -> str:
        ordered = sorted(self.rows.values(), key=lambda row: -row.seconds)
        lines = [f"{'function':<24} {'ran':<8} {'calls':>8} {'total ms':>10} {'each us':>9}"]
        for row in ordered:
            each = row.seconds / row.calls * 1e6
            lines.append(f"{row.name:<24} {row.where:<8} {row.calls:>8,} {row.seconds * 1e3:>10.3f} {each:>9.1f}")
        return "\n".join(lines)


_active: list[Statistics] = []


def _timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function, assigned=("__doc__", "__module__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        statistics = _active[-1]
        if statistics.depth:  # a function that another one calls is part of it
            return function(*args, **kwargs)
        statistics.depth += 1
        before = fallback.calls[0]
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds = time.perf_counter() - start
            statistics.depth -= 1
            statistics.add(name, "native" if fallback.calls[0] == before else "numpy", seconds)

    return call


def _patches(spaces: list[tuple[Any, str, list[str]]]) -> Iterator[tuple[Any, str, Any, str]]:
    for space, prefix, names in spaces:
        for name in names:
            yield space, name, vars(space).get(name), prefix + name.strip("_")


@contextmanager
def op_statistics() -> Iterator[Statistics]:
    """`with op_statistics() as s: ...; print(s)` counts the calls made through the namespace, methods and operators."""
    import dlengine.numpy as space
    from dlengine.numpy import fft, linalg
    from dlengine.numpy.native import NATIVE

    operators = [f"__{n}__" for n in (*methods.OPERATORS, *methods.COMPARISONS, *methods.SIGNS, "getitem", "setitem")]
    named = [*methods.FUNCTIONS.split(), *operators, *(f"__r{n}__" for n in methods.OPERATORS)]
    places = [
        (space, "", list(NATIVE)),
        (linalg, "linalg.", linalg.__all__[1:]),
        (fft, "fft.", fft.__all__),
        (ndarray, "", named),
    ]
    statistics = Statistics()
    _active.append(statistics)
    old = [(where, name, value, label) for where, name, value, label in _patches(places) if callable(value)]
    for where, name, value, label in old:
        setattr(where, name, _Timed(label, value) if hasattr(value, "reduce") else _timed(label, value))
    fallback.watch(_timed)
    try:
        yield statistics
    finally:
        fallback.watch(None)
        _active.pop()
        for where, name, value, _ in old:
            setattr(where, name, value)


class _Timed:
    """A timed ufunc: called it is counted, its methods and attributes are the ufunc's."""

    def __init__(self, label: str, function: Any) -> None:
        self._function, self._call = function, _timed(label, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)
