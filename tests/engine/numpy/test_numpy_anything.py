"""Every other kind of function against NumPy, on arrays and options that hypothesis draws."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_spec = importlib.util.spec_from_file_location("differential", Path(__file__).with_name("test_numpy_differential.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
arrays, same, REAL, DTYPES = _module.arrays, _module.same, _module.REAL, _module.DTYPES

FLOATS, INTEGERS = ("float32", "float64"), ("int32", "int64", "uint8")
AXIS, AXES = st.integers(-3, 2), st.none() | st.integers(-3, 2)
SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)


def equal_shapes(draw: Any, count: int, dtypes: tuple[str, ...] = DTYPES) -> list[Any]:
    shape = draw(SHAPES)
    return [draw(arrays(dtypes, shape=shape)) for _ in range(count)]


def near(draw: Any, count: int) -> list[Any]:
    """Arrays to be joined: of one shape, or of shapes that differ in an axis."""
    shape = list(draw(SHAPES))
    place = draw(st.integers(0, len(shape) - 1))
    found = []
    for _ in range(count):
        shape[place] = draw(st.integers(0, 3))
        found.append(draw(arrays(shape=tuple(shape))))
    return found


Case = Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
CASES: dict[str, Case] = {
    "ravel": lambda draw: ((draw(arrays()),), {"order": draw(st.sampled_from("CF"))}),
    "reshape": lambda draw: ((draw(arrays()), draw(SHAPES | st.just(-1) | st.just((2, -1)))), {}),
    "transpose": lambda draw: ((draw(arrays()),), {"axes": draw(st.none() | st.permutations(range(2)))}),
    "squeeze": lambda draw: ((draw(arrays()),), {"axis": draw(AXES)}),
    "expand_dims": lambda draw: ((draw(arrays()),), {"axis": draw(AXIS)}),
    "swapaxes": lambda draw: ((draw(arrays()), draw(AXIS), draw(AXIS)), {}),
    "moveaxis": lambda draw: ((draw(arrays()), draw(AXIS), draw(AXIS)), {}),
    "roll": lambda draw: ((draw(arrays()), draw(st.integers(-5, 5))), {"axis": draw(AXES)}),
    "flip": lambda draw: ((draw(arrays()),), {"axis": draw(AXES)}),
    "rot90": lambda draw: ((draw(arrays(least=2)), draw(st.integers(-3, 5))), {}),
    "repeat": lambda draw: ((draw(arrays()), draw(st.integers(0, 3))), {"axis": draw(AXES)}),
    "tile": lambda draw: ((draw(arrays()), draw(st.lists(st.integers(0, 3), max_size=4).map(tuple))), {}),
    "pad": lambda draw: ((draw(arrays()), draw(st.integers(0, 2))), {"mode": draw(st.sampled_from(PADDED))}),
    "concatenate": lambda draw: ((near(draw, 2),), {"axis": draw(AXES)}),
    "stack": lambda draw: ((near(draw, 2),), {"axis": draw(AXIS)}),
    "hstack": lambda draw: ((near(draw, 2),), {}),
    "vstack": lambda draw: ((near(draw, 2),), {}),
    "dstack": lambda draw: ((near(draw, 2),), {}),
    "column_stack": lambda draw: ((near(draw, 2),), {}),
    "append": lambda draw: ((*near(draw, 2),), {"axis": draw(AXES)}),
    "array_split": lambda draw: ((draw(arrays(least=1)), draw(st.integers(1, 4))), {"axis": draw(AXIS)}),
    "split": lambda draw: ((draw(arrays(least=1)), draw(st.sampled_from((1, 2, [1], [2, 3])))), {"axis": draw(AXIS)}),
    "broadcast_to": lambda draw: ((draw(arrays()), draw(SHAPES)), {}),
    "tril": lambda draw: ((draw(arrays(least=1)),), {"k": draw(st.integers(-2, 2))}),
    "triu": lambda draw: ((draw(arrays(least=1)),), {"k": draw(st.integers(-2, 2))}),
    "diagonal": lambda draw: ((draw(arrays(least=2)),), {"offset": draw(st.integers(-2, 2))}),
    "trace": lambda draw: ((draw(arrays(least=2)),), {"offset": draw(st.integers(-2, 2))}),
    "diag": lambda draw: ((draw(arrays(least=1)),), {"k": draw(st.integers(-2, 2))}),
    "sort": lambda draw: ((draw(arrays(REAL)),), {"axis": draw(AXES)}),
    "argsort": lambda draw: ((draw(arrays(REAL)),), {"axis": draw(AXES), "stable": True}),
    "searchsorted": lambda draw: ((numpy.sort(draw(arrays(REAL, shape=(4,)))), draw(arrays(REAL))), {}),
    "where": lambda draw: ((draw(arrays(("bool",))), draw(arrays() | NUMBER), draw(arrays() | NUMBER)), {}),
    "nonzero": lambda draw: ((draw(arrays()),), {}),
    "argwhere": lambda draw: ((draw(arrays()),), {}),
    "clip": lambda draw: ((draw(arrays(REAL)), draw(st.none() | REALS), draw(st.none() | REALS)), {}),
    "take": lambda draw: ((draw(arrays()), draw(arrays(INTEGERS))), {"axis": draw(AXES), "mode": draw(MODES)}),
    "take_along_axis": lambda draw: ((*equal_shapes(draw, 1), draw(arrays(("int64",)))), {"axis": draw(AXIS)}),
    "compress": lambda draw: ((draw(arrays(("bool",), shape=(3,))), draw(arrays(shape=(2, 3)))), {"axis": draw(AXES)}),
    "unique": lambda draw: ((draw(arrays(REAL)),), {"return_inverse": draw(BOOL), "return_index": draw(BOOL)}),
    "isin": lambda draw: ((draw(arrays(REAL)), draw(arrays(REAL))), {}),
    "union1d": lambda draw: ((draw(arrays(REAL)), draw(arrays(REAL))), {}),
    "setdiff1d": lambda draw: ((draw(arrays(REAL)), draw(arrays(REAL))), {}),
    "diff": lambda draw: ((draw(arrays()),), {"n": draw(st.integers(0, 2)), "axis": draw(AXIS)}),
    "round": lambda draw: ((draw(arrays()),), {"decimals": draw(st.integers(-1, 2))}),
    "nan_to_num": lambda draw: ((draw(arrays()),), {}),
    "isclose": lambda draw: ((draw(arrays()), draw(arrays())), {"rtol": draw(st.sampled_from((0, 0.1, 0.5)))}),
    "dot": lambda draw: ((draw(arrays()), draw(arrays())), {}),
    "inner": lambda draw: ((draw(arrays()), draw(arrays())), {}),
    "outer": lambda draw: ((draw(arrays()), draw(arrays())), {}),
    "kron": lambda draw: ((draw(arrays()), draw(arrays())), {}),
    "vdot": lambda draw: ((*equal_shapes(draw, 2),), {}),
    "tensordot": lambda draw: ((draw(arrays()), draw(arrays())), {"axes": draw(st.integers(0, 2))}),
    "convolve": lambda draw: ((*vectors(draw),), {"mode": draw(st.sampled_from(("full", "same", "valid")))}),
    "correlate": lambda draw: ((*vectors(draw),), {"mode": draw(st.sampled_from(("full", "same", "valid")))}),
    "bincount": lambda draw: ((draw(arrays(("uint8",), shape=draw(SHAPES.filter(lambda s: len(s) == 1)))),), {}),
    "cov": lambda draw: (
        (draw(arrays(FLOATS, shape=(3, 4))),),
        {"ddof": draw(st.integers(0, 2)), "rowvar": draw(BOOL)},
    ),
    "average": lambda draw: ((draw(arrays(DTYPES, shape=(3, 4))),), {"axis": draw(AXES), "keepdims": draw(BOOL)}),
    "quantile": lambda draw: (
        (draw(arrays((*FLOATS, *INTEGERS), shape=(3, 4))), draw(CHANCE)),
        {"axis": draw(AXES), "method": draw(st.sampled_from(METHODS)), "keepdims": draw(BOOL)},
    ),
    "nanquantile": lambda draw: (
        (with_gaps(draw), draw(CHANCE)),
        {"axis": draw(AXES), "method": draw(st.sampled_from(METHODS))},
    ),
    "histogram": lambda draw: ((draw(arrays(("int64", "float64"), shape=(9,))), draw(st.integers(1, 5))), {}),
    "unravel_index": lambda draw: ((draw(arrays(("uint8", "int64"))), (2, 3)), {}),
    "linspace": lambda draw: ((draw(REALS), draw(REALS), draw(st.integers(0, 7))), {"endpoint": draw(BOOL)}),
    "arange": lambda draw: ((draw(REALS), draw(REALS), draw(REALS.filter(bool))), {}),
    "eye": lambda draw: ((draw(st.integers(0, 4)), draw(st.integers(0, 4))), {"k": draw(st.integers(-2, 2))}),
    "full": lambda draw: ((draw(SHAPES), draw(NUMBER)), {}),
}
PADDED, MODES = ("constant", "edge", "reflect", "symmetric", "wrap"), st.sampled_from(("raise", "wrap", "clip"))
BOOL, CHANCE = st.booleans(), st.sampled_from((0, 0.0, 0.3, 1.0, 1, [0.2, 0.9]))
REALS = st.integers(-4, 4) | st.sampled_from((-1.5, 0.5, 2.25))
NUMBER = st.booleans() | REALS | st.just(1 + 2j)


METHODS = ["inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
    "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"]  # fmt: skip


def with_gaps(draw: Any) -> Any:
    values = draw(arrays(("float64",), shape=(3, 4)))
    return numpy.where(draw(arrays(("bool",), shape=(3, 4))), values, numpy.nan)


def vectors(draw: Any) -> list[Any]:
    return [draw(arrays(shape=(draw(st.integers(0, 5)),))) for _ in range(2)]


@st.composite
def calls(draw: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    name = draw(st.sampled_from(sorted(CASES)))
    return (name, *CASES[name](draw))


def settings_of(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@given(calls())
@settings_of(200)
def test_functions_agree(case: Any) -> None:
    same(*case)


@pytest.mark.slow
@given(calls())
@settings_of(8000)
def test_functions_agree_on_thousands_of_cases(case: Any) -> None:
    same(*case)
