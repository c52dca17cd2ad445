"""Arrays compared as wholes, and up to rounding."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.compiler import is_compiling

from dlengine.numpy import fallback
from dlengine.numpy.core import ndarray, tensor_of, wrap
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import NATIVE, native, register, same_dtype
from dlengine.numpy.table_reductions import floating

_FLOATS = frozenset({torch.float32, torch.float64})


@native
def isclose(a: Tensor, b: Tensor, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Tensor:
    x, y = (a, b) if a.dtype is b.dtype and is_inexact(a.dtype) else same_dtype(floating(a), floating(b))
    if x.dtype in _FLOATS and type(rtol) is type(atol) is float and not equal_nan:
        return _near(x, y, rtol, atol)
    near = (x - y).abs() <= atol + rtol * y.abs()
    close = torch.where(torch.isfinite(y), near, x == y) if not y.is_complex() else near | (x == y)
    return close | (torch.isnan(x) & torch.isnan(y)) if equal_nan else close


def _near(x: Tensor, y: Tensor, rtol: float, atol: float) -> Tensor:
    """In half of torch.isclose's kernels. An infinity is near to itself alone: the bound is finite."""
    if fallback.small(x, y):
        a, b = x.detach().numpy(), y.detach().numpy()
        with numpy.errstate(all="ignore"):
            bound = numpy.minimum(atol + rtol * numpy.abs(b), numpy.finfo(b.dtype).max)
            found = (numpy.abs(a - b) <= bound) | (a == b)
        return torch.from_numpy(numpy.asarray(found))
    x, y = x.detach(), y.detach()
    least = y.abs().mul_(rtol).add_(atol).clamp_(max=torch.finfo(y.dtype).max)
    return ((x - y).abs_() <= least).logical_or_(x == y)


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> bool:
    if type(a) is type(b) is ndarray and not is_compiling() and type(rtol) is type(atol) is float:
        x, y = a._tensor, b._tensor
        if x.dtype is y.dtype in _FLOATS and not equal_nan:
            with contextlib.suppress(RuntimeError, ValueError):  # shapes that do not broadcast, told below
                return bool(_near(x, y, rtol, atol).all())
    return bool(NATIVE["isclose"](a, b, rtol, atol, equal_nan)._tensor.all())


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    x, y = tensor_of(a1), tensor_of(a2)
    if x.shape != y.shape:
        return False
    same = NATIVE["equal"](wrap(x), wrap(y))._tensor
    if equal_nan and is_inexact(x.dtype) and is_inexact(y.dtype):
        same = same | (torch.isnan(x) & torch.isnan(y))
    return bool(same.all())


def array_equiv(a1: Any, a2: Any) -> bool:
    x, y = tensor_of(a1), tensor_of(a2)
    try:
        numpy.broadcast_shapes(tuple(x.shape), tuple(y.shape))
    except ValueError:
        return False
    return bool(NATIVE["equal"](wrap(x), wrap(y))._tensor.all())


register(allclose, array_equal, array_equiv)
