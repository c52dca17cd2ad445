"""Which torch dtype stands for which NumPy dtype, and the default for floating-point results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch

_NAMES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
TO_NUMPY: dict[torch.dtype, Any] = {getattr(torch, name): numpy.dtype(name) for name in _NAMES}
TO_TORCH: dict[Any, torch.dtype] = {value: key for key, value in TO_NUMPY.items()}
_KNOWN: dict[Any, torch.dtype] = {
    **TO_TORCH, **{dtype.name: kind for dtype, kind in TO_TORCH.items()},
    **{dtype.type: kind for dtype, kind in TO_TORCH.items()}, bool: torch.bool, int: torch.int64,
}  # fmt: skip
PYTHON = {bool: torch.bool, int: torch.int64}
WEAK = frozenset({int, float, complex})  # Python's numbers never widen an array within their own kind
COMPLEX_OF = {torch.float16: torch.complex64, torch.float32: torch.complex64, torch.float64: torch.complex128}
REAL_OF = {torch.complex64: torch.float32, torch.complex128: torch.float64}
NARROW = {torch.float64: torch.float32, torch.complex128: torch.complex64}


class NoTensor(TypeError):
    """No tensor can hold this dtype: strings, objects, dates, records, long doubles."""


_default = [torch.float64]
_COMMON: dict[tuple[torch.dtype, ...], torch.dtype] = {}  # what NumPy has said, for this default
_on_change: list[Callable[[], object]] = [_COMMON.clear]


def default_float() -> torch.dtype:
    return _default[0]


def default_complex() -> torch.dtype:
    return COMPLEX_OF[_default[0]]


def set_default_float(dtype: Any) -> None:
    """Make float64 (NumPy's) or float32 the dtype of new floating-point arrays and of integers that become floats."""
    chosen = torch_dtype(dtype)
    if chosen not in (torch.float32, torch.float64):
        raise ValueError(f"the default is float32 or float64, not {chosen}")
    _default[0] = chosen
    for forget in _on_change:
        forget()


def on_default_change(forget: Callable[[], object]) -> None:
    """Call `forget` whenever the default changes: for caches that hold dtypes."""
    _on_change.append(forget)


def torch_dtype(dtype: Any) -> torch.dtype:
    """The torch dtype of a NumPy dtype, its name, a scalar type, a Python type or a torch dtype."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is float:
        return _default[0]
    if dtype is complex:
        return COMPLEX_OF[_default[0]]
    return _named(dtype)


@torch._dynamo.assume_constant_result
def _named(dtype: Any) -> torch.dtype:
    if dtype.__hash__ is not None and dtype in _KNOWN:
        return _KNOWN[dtype]
    wanted = numpy.dtype(dtype)
    found = TO_TORCH.get(wanted.newbyteorder("="))
    if found is None:
        raise NoTensor(f"no array of dtype {wanted} can be held by a tensor")
    return found


def numpy_dtype(dtype: Any) -> Any:
    """The NumPy dtype of a torch dtype (bfloat16, which NumPy lacks, stays a torch dtype) or of anything dtype-like."""
    return TO_NUMPY.get(dtype, dtype) if isinstance(dtype, torch.dtype) else TO_NUMPY[torch_dtype(dtype)]


def weak_dtype(kind: type) -> torch.dtype:
    """The dtype that a Python number has on its own."""
    return PYTHON.get(kind) or (_default[0] if kind is float else COMPLEX_OF[_default[0]])


def promote(*dtypes: torch.dtype) -> torch.dtype:
    """NumPy's common dtype; with float32 as the default, integers and float32 give float32."""
    first = dtypes[0]
    if all([dtype is first for dtype in dtypes]):  # noqa: C419 - a list is faster here than a generator
        return first
    if not all([dtype in TO_NUMPY for dtype in dtypes]):  # noqa: C419
        for dtype in dtypes[1:]:
            first = torch.promote_types(first, dtype)
        return first
    return _common(dtypes)


@torch._dynamo.assume_constant_result
def _common(dtypes: tuple[torch.dtype, ...]) -> torch.dtype:
    found = _COMMON.get(dtypes)
    if found is None:
        found = narrowed(TO_TORCH[numpy.result_type(*[TO_NUMPY[dtype] for dtype in dtypes])], dtypes)
        _COMMON[dtypes] = found
    return found


def narrowed(result: torch.dtype, inputs: Any) -> torch.dtype:
    """`result`, or its 32-bit form where float32 is the default and no input asked for more."""
    wide = (torch.float64, torch.complex128)
    if _default[0] is torch.float32 and result in NARROW and not any(dtype in wide for dtype in inputs):
        return NARROW[result]
    return result


def is_inexact(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex
