"""Coverage, and the Python array API standard 2025.12 by its own list of names."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import dlengine.numpy as np
import numpy
import pytest
from dlengine.numpy.native import NATIVE

ROOT = Path(__file__).parents[3]

STANDARD = """
abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and
bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bool broadcast_arrays broadcast_shapes
broadcast_to can_cast ceil clip complex128 complex64 concat conj copysign cos cosh count_nonzero cumulative_prod
cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1 eye finfo flip float32 float64 floor
floor_divide from_dlpack full full_like greater greater_equal hypot iinfo imag inf int16 int32 int64 int8 isdtype
isfinite isin isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or
logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply nan negative newaxis
nextafter nonzero not_equal ones ones_like permute_dims pi positive pow prod real reciprocal remainder repeat reshape
result_type roll round searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract sum take
take_along_axis tan tanh tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unique_all unique_counts
unique_inverse unique_values unstack var vecdot where zeros zeros_like __array_api_version__ __array_namespace_info__
linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh
linalg.inv linalg.matmul linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose
linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensordot linalg.trace
linalg.vecdot linalg.vector_norm fft.fft fft.ifft fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft
fft.ihfft fft.fftfreq fft.rfftfreq fft.fftshift fft.ifftshift
"""
METHODS = """
__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__
__floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__
__mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ __iadd__ __radd__
__imatmul__ __rmatmul__ to_device T mT device dtype ndim shape size
"""


@pytest.mark.parametrize("name", STANDARD.split())
def test_the_standards_names_are_there_and_need_no_fallback(name: str) -> None:
    space, _, last = name.rpartition(".")
    found = getattr(getattr(np, space) if space else np, last)
    if not space and callable(found) and not isinstance(found, type) and last[0] != "_":
        assert last in NATIVE or last in ("broadcast_shapes", "can_cast")


def test_the_standards_methods_are_there() -> None:
    assert [name for name in METHODS.split() if not hasattr(np.ndarray, name)] == []


def test_the_namespace_describes_itself() -> None:
    info = np.__array_namespace_info__()
    assert np.__array_api_version__ == "2025.12"
    assert np.zeros(1).__array_namespace__(api_version="2025.12") is np
    assert info.default_dtypes()["real floating"] == numpy.float64
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert len(info.dtypes()) == 13
    assert info.default_device() in info.devices()
    assert info.capabilities()["boolean indexing"] is True
    with pytest.raises(ValueError, match="array API version"):
        np.zeros(1).__array_namespace__(api_version="1999.01")


def test_at_least_340_of_numpys_functions_run_on_torch() -> None:
    names = [
        n for n in dir(numpy) if n[0] != "_" and callable(getattr(numpy, n)) and not isinstance(getattr(numpy, n), type)
    ]
    assert sum(name in NATIVE for name in names) >= 340
    for space in ("linalg", "fft", "random"):
        assert [n for n in getattr(numpy, space).__all__ if not hasattr(getattr(np, space), n)] == []


STANDARD_SCRIPT = runpy.run_path(str(ROOT / "scripts" / "numpy_standard.py"))


def test_the_list_of_the_standards_failing_tests_in_the_documentation_is_the_scripts() -> None:
    text = STANDARD_SCRIPT["PAGE"].read_text()
    assert STANDARD_SCRIPT["page"]() == text, "run python scripts/numpy_standard.py --write"
    failed = re.search(r"of 1,384 tests ([\d,]+) pass, (\d+) fail, (\d+) are skipped", text)
    assert failed is not None
    drawn = sum(known.count for known in STANDARD_SCRIPT["KNOWN"] if known.drawn)
    most = sum(known.count for known in STANDARD_SCRIPT["KNOWN"])
    assert most - drawn <= int(failed[2]) <= most


def test_a_failure_that_is_not_listed_and_one_that_is_gone_are_told() -> None:
    known = [k for k in STANDARD_SCRIPT["KNOWN"] if not k.drawn]
    names = {"test_linalg::test_eig": "failed", "test_linalg::test_eigvals": "passed", "test_fft::test_fft": "failed"}
    told = STANDARD_SCRIPT["drift"](names)
    assert told[0] == "fails, and is not in the list: test_fft::test_fft"
    assert "`eig`, `eigvals` of a real matrix: 1 tests fail, the list says 2" in told
    assert len(told) == 1 + len(known)


SUITE = Path(os.environ.get("ARRAY_API_TESTS", STANDARD_SCRIPT["CACHE"] / "array-api-tests-55fcc60"))


@pytest.mark.slow
@pytest.mark.skipif(
    not SUITE.exists(), reason="no checkout of array-api-tests: run python scripts/numpy_standard.py once"
)
def test_the_standards_own_tests_fail_only_where_it_is_said() -> None:
    assert STANDARD_SCRIPT["drift"](STANDARD_SCRIPT["outcomes"](SUITE, 10)) == []


@pytest.mark.skipif(not numpy.__version__.startswith("2.4"), reason="the table counts the functions of NumPy 2.4")
def test_the_coverage_table_in_the_documentation_is_the_codes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "numpy_coverage.py"))
    assert script["page"]() == script["PAGE"].read_text(), "run python scripts/numpy_coverage.py"
