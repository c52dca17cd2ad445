"""dlengine.numpy against NumPy itself: functions, dtypes, shapes, axes, strides, empty and zero-dimensional arrays."""

from __future__ import annotations

import warnings
from typing import Any

import dlengine.numpy as np
import numpy
import pytest
from dlengine.numpy.native import NATIVE
from dlengine.numpy.table_ufuncs import BINARY, NUMBERS, SECOND, UNARY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DTYPES = ("bool", "int8", "int32", "int64", "uint8", "float32", "float64", "complex128")
RARE = ("int16", "uint16", "uint32", "uint64")  # for which torch lacks many kernels
REAL = ("bool", "int32", "int64", "uint8", "float32", "float64", *RARE)
FAST = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
DEEP = settings(max_examples=6000, deadline=None, suppress_health_check=list(HealthCheck))
# torch's float16 results round differently, and bitwise functions have no product of matrices.
PRODUCTS = ("matmul", "matvec", "vecmat", "vecdot")


def host(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [host(v) for v in value]
    return numpy.asarray(value)


@st.composite
def arrays(
    draw: Any, dtypes: tuple[str, ...] = (*DTYPES, *RARE, "complex64"), least: int = 0, shape: Any = None
) -> Any:
    """A NumPy array of small numbers, sometimes empty, transposed, strided or reversed."""
    if shape is None:
        shape = tuple(draw(st.lists(st.integers(0, 4), min_size=least, max_size=3)))
    dtype = numpy.dtype(draw(st.sampled_from(dtypes)))
    seed = draw(st.integers(0, 10_000))
    random = numpy.random.default_rng(seed)
    low = 0 if dtype.kind in "ub" else -5
    made = random.integers(low, 6, tuple(2 * n for n in shape)) / (2 if dtype.kind in "fc" else 1)
    if dtype.kind == "c":
        made = made + 1j * random.integers(-3, 4, made.shape)
    made = made.astype(dtype)
    step = draw(st.sampled_from((1, 2, -1)))
    made = made[tuple(slice(None, n if step == 1 else None, step) for n in shape)]
    made = made[tuple(slice(0, n) for n in shape)]
    return made.T if draw(st.booleans()) and least == 0 and len(set(shape)) <= 1 else made


def run(function: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """What the function gives, or the class of its exception."""
    try:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return host(function(*args, **kwargs)), None
    except Exception as error:
        return None, error


def same(name: str, args: Any, kwargs: Any | None = None, space: tuple[Any, Any] = (numpy, np)) -> None:
    """Both namespaces give the same dtype, shape and values, or both refuse."""
    kwargs = kwargs or {}
    expected, refused = run(getattr(space[0], name), args, kwargs)
    ours = [np.asarray(a) if isinstance(a, numpy.ndarray) else a for a in args]
    found, error = run(getattr(space[1], name), ours, kwargs)
    told = f"{name}{tuple(args)} {kwargs}: numpy {expected!r} {refused!r}, ours {found!r} {error!r}"
    if refused is not None:
        assert isinstance(error, (type(refused), TypeError, ValueError)), told
        return
    assert error is None, told
    compare(expected, found, told)


def compare(expected: Any, found: Any, told: str) -> None:
    if isinstance(expected, list):
        assert len(expected) == len(found), told
        for a, b in zip(expected, found, strict=True):
            compare(a, b, told)
        return
    assert expected.dtype == found.dtype, f"dtype {expected.dtype} {found.dtype}: {told}"
    assert expected.shape == found.shape, f"shape: {told}"
    loose = {"e": 2e-2, "f": 2e-5, "F": 2e-5}.get(expected.dtype.char, 1e-9)
    scale = (
        numpy.abs(numpy.nan_to_num(numpy.asarray(expected, complex))).max(initial=1.0)
        if expected.dtype.kind in "fc"
        else 1
    )
    numpy.testing.assert_allclose(found, expected, rtol=loose, atol=loose * scale, err_msg=told)


def exact_in_torch(name: str, args: Any) -> bool:
    """Leave out where NumPy itself leaves the result undefined: integer division by zero, shifts beyond the width."""
    if name in (
        "floor_divide",
        "remainder",
        "fmod",
        "divmod",
        "ldexp",
        "left_shift",
        "right_shift",
        "power",
        "gcd",
        "lcm",
    ):
        return all(numpy.asarray(a).dtype.kind in "fc" or (numpy.asarray(a) > 0).all() for a in args[1:])
    return True


def check_unary(name: str, x: Any) -> None:
    if name == "reciprocal" and x.dtype.kind in "iub":
        return
    if x.dtype.kind == "c" and name in (
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctanh",
        "sign",
        "exp2",
        "reciprocal",
    ):
        return  # poles and branch cuts: each library picks its own side
    same(name, (x,))


# NumPy orders complex numbers, torch does not; division and powers of them differ at poles.
REAL_ONLY = ["divide", "power", "float_power", "maximum", "minimum",
    "fmax", "fmin", "less", "less_equal", "greater", "greater_equal"]  # fmt: skip


def check_binary(name: str, x: Any, y: Any) -> None:
    is_complex = any(numpy.asarray(value).dtype.kind == "c" for value in (x, y))
    if exact_in_torch(name, (x, y)) and not (is_complex and name in REAL_ONLY):
        same(name, (x, y))


UFUNCS1, UFUNCS2 = sorted(UNARY), sorted({*NUMBERS, *SECOND, *BINARY} - set(PRODUCTS))


@pytest.mark.parametrize("name", UFUNCS1)
def test_unary_ufuncs_agree_for_every_dtype(name: str) -> None:
    for dtype in DTYPES:
        values = numpy.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
        check_unary(name, values)
        check_unary(name, values[::-1, ::2])
        check_unary(name, values[:0])
        check_unary(name, values[1, 1:2].reshape(()))


@pytest.mark.parametrize("name", UFUNCS2)
def test_binary_ufuncs_agree_for_every_pair_of_dtypes(name: str) -> None:
    values = numpy.array([[1, 2, 3], [4, 5, 1]])
    for first in DTYPES:
        for second in DTYPES:
            check_binary(name, values.astype(first), values[:1, ::-1].astype(second))
        for number in (2, 1.5, 1j, True):
            check_binary(name, values.astype(first), number)
            check_binary(name, number, values.astype(first)[0])


@given(st.sampled_from(UFUNCS2), arrays(), arrays())
@FAST
def test_binary_ufuncs_agree_on_any_shapes(name: str, x: Any, y: Any) -> None:
    check_binary(name, x, y)


@given(st.sampled_from(PRODUCTS), arrays(least=1), arrays(least=1))
@FAST
def test_products_agree(name: str, x: Any, y: Any) -> None:
    same(name, (x, y))


REDUCTIONS = [
    "sum",
    "prod",
    "max",
    "min",
    "all",
    "any",
    "mean",
    "var",
    "std",
    "argmax",
    "argmin",
    "cumsum",
    "cumprod",
    "count_nonzero",
    "ptp",
    "median",
    "nansum",
    "nanprod",
    "nanmax",
    "nanmin",
    "nanmean",
    "nanvar",
    "nanstd",
    "cumulative_sum",
    "sort",
    "argsort",
    "flip",
]


@st.composite
def reductions(draw: Any) -> Any:
    name = draw(st.sampled_from(REDUCTIONS))
    x = draw(
        arrays(
            REAL
            if name in ("max", "min", "argmax", "argmin", "ptp", "median", "nanmax", "nanmin", "sort", "argsort")
            else DTYPES
        )
    )
    single = name in ("argmax", "argmin", "cumsum", "cumprod", "cumulative_sum", "sort", "argsort")
    axes: Any = st.none() | st.integers(-3, 3)
    if not single:
        axes |= st.lists(st.integers(-3, 2), max_size=2, unique=True).map(tuple)
    kwargs = {"axis": draw(axes)}
    if name not in ("cumsum", "cumprod", "cumulative_sum", "sort", "argsort", "flip") and draw(st.booleans()):
        kwargs["keepdims"] = True
    return name, x, kwargs


def check_reduction(case: Any) -> None:
    name, x, kwargs = case
    if name == "argsort":
        kwargs["stable"] = True
    if name == "sort" and x.dtype.kind == "b":
        return
    if x.size == 0 and name in ("median", "argmax", "argmin", "ptp"):
        return
    same(name, (x,), kwargs)


@given(reductions())
@FAST
def test_reductions_agree(case: Any) -> None:
    check_reduction(case)


@pytest.mark.slow
@given(st.sampled_from(UFUNCS2), arrays(), arrays(), reductions())
@DEEP
def test_ufuncs_and_reductions_agree_on_thousands_of_cases(name: str, x: Any, y: Any, case: Any) -> None:
    check_binary(name, x, y)
    check_reduction(case)


def test_every_registered_function_is_numpys() -> None:
    assert [name for name in NATIVE if not hasattr(numpy, name)] == []
