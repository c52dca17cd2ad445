"""Strings, objects, dates and records, which no tensor holds: the same functions make and take NumPy's own arrays."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import dlengine.numpy as np
import numpy
import pytest

NAMES = ["pear", "apple", "fig", "apple"]
PEOPLE = numpy.array([("Ada", 36), ("Alan", 41)], dtype=[("name", "U8"), ("age", "i4")])
CALLS: list[Any] = [
    lambda np: np.array(NAMES),
    lambda np: np.array([1, "a", None], dtype=object),
    lambda np: np.array([{"a": 1}, None]),
    lambda np: np.array(NAMES, ndmin=2),
    lambda np: np.asarray(PEOPLE),
    lambda np: np.array([("x", 1.5)], dtype=[("k", "U1"), ("v", "f8")]),
    lambda np: np.zeros(2, dtype="U3"),
    lambda np: np.ones(2, dtype=object),
    lambda np: np.full((2, 2), "ab"),
    lambda np: np.full(2, None),
    lambda np: np.empty(2, dtype=object),
    lambda np: np.arange("2024-02-27", "2024-03-02", dtype="datetime64[D]"),
    lambda np: np.array([datetime.date(2024, 2, 29)], dtype="datetime64[D]") + np.timedelta64(1, "D"),
    lambda np: np.sort(np.array(NAMES)),
    lambda np: np.argsort(NAMES, kind="stable"),
    lambda np: np.unique(NAMES, return_counts=True, return_inverse=True),
    lambda np: np.concatenate([["a", "b"], NAMES]),
    lambda np: np.isin(NAMES, ["fig", "pear"]),
    lambda np: np.where(np.arange(4) > 1, "yes", "no"),
    lambda np: np.where([True, False], [None, 2], np.arange(2)),
    lambda np: np.array(NAMES)[np.argsort(NAMES, kind="stable")],
    lambda np: np.array(NAMES)[np.array([True, False, True, False])],
    lambda np: np.equal(np.array(NAMES), "fig"),
    lambda np: np.add(np.array([1, 2.5], dtype=object), 1),
    lambda np: np.sum(np.array([1, 2.5], dtype=object)),
    lambda np: np.max(np.array([3, 10**30], dtype=object)),
    lambda np: np.arange(3).astype(str),
    lambda np: np.array([1.5, 2.0]).astype(object),
    lambda np: np.arange(3) + np.array([1, 2, 10**20], dtype=object),
    lambda np: np.array([1, 2, 10**20], dtype=object) * np.arange(3),
    lambda np: (*np.shape(NAMES), np.ndim(PEOPLE), np.size(NAMES)),
    lambda np: np.lexsort((NAMES, [1, 0, 1, 0])),
    lambda np: np.char.upper(np.array(NAMES)),
    lambda np: np.sort(PEOPLE, order="age")["name"],
    lambda np: np.float64(1.5) + np.longdouble(2),
    lambda np: np.stack([NAMES, NAMES], axis=1),
    lambda np: np.repeat(np.array(NAMES), 2),
    lambda np: np.searchsorted(np.sort(NAMES), "b"),
]


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    return value if type(value) is int else (numpy.asarray(value).dtype, numpy.asarray(value).tolist())


@pytest.mark.parametrize("call", CALLS)
def test_a_call_gives_what_numpy_gives(call: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = call(np)
    assert plain(found) == plain(call(numpy))
    for part in found if isinstance(found, tuple) else (found,):
        if hasattr(part, "dtype") and getattr(part, "ndim", 0):
            assert isinstance(part, np.ndarray if part.dtype.kind in "bif" else numpy.ndarray)


def test_it_is_said_once_and_never_under_a_gradient() -> None:
    np.fallback._warned.discard("dtypes")
    with pytest.warns(np.FallbackWarning, match=r"array: no array of dtype <U5 .*on the host"):
        np.array(NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.array(NAMES)
    for cut in (lambda x: np.array([x, "a"], dtype=object), lambda x: x.astype(str), lambda x: np.where(x > 0, x, "")):
        with pytest.raises(TypeError, match="gradients cannot pass"):
            np.grad(lambda x, cut=cut: cut(x) and x)(1.5)


def test_names_are_drawn_and_shuffled() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.choice(NAMES, size=(2, 3))
    assert drawn.shape == (2, 3)
    assert set(drawn.ravel().tolist()) <= set(NAMES)
    assert sorted(rng.choice(NAMES, 4, replace=False).tolist()) == sorted(NAMES)
    names = numpy.array([*NAMES, "kiwi", "lime", "plum"])
    rng.shuffle(names)
    assert sorted(names.tolist()) == sorted([*NAMES, "kiwi", "lime", "plum"])
    assert names.tolist() != [*NAMES, "kiwi", "lime", "plum"]
