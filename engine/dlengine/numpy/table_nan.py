"""Reductions that leave out NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy.core import tensor_of, wrap, write
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import NATIVE, Dtype, native
from dlengine.numpy.table_reductions import axes_of, counted, floating, root_of

_NO = numpy._NoValue
_USUAL = frozenset({torch.float32, torch.float64})


def _without_nan(a: Tensor, fill: float) -> Tensor:
    return torch.where(torch.isnan(a), a.new_full((), fill), a) if is_inexact(a.dtype) else a


def _sums(name: str, fill: float) -> None:
    plain = name[3:]

    def core(
        a: Tensor,
        axis: Any = None,
        dtype: Dtype = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = _NO,
        where: Any = True,
    ) -> Any:
        usual = plain == "sum" and a.dtype.is_floating_point and where is True and initial is _NO
        if usual and (axes := axes_of(axis, a.dim())):
            found = torch.nansum(a, axes, keepdims is True, dtype=dtype)
            return found if out is None else write(out, found)
        found = NATIVE[plain](wrap(_without_nan(a, fill)), axis, dtype, None, keepdims is True, initial, where)._tensor
        return found if out is None else write(out, found)

    native(core, name=name)


def _scans(name: str, fill: float) -> None:
    plain = name[3:]

    def core(a: Tensor, axis: Any = None, dtype: Dtype = None) -> Tensor:
        return NATIVE[plain](wrap(_without_nan(a, fill)), axis, dtype)._tensor

    native(core, name=name)


def _extremes(name: str, fill: float) -> None:
    plain = name[3:]

    def core(
        a: Tensor, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = _NO, where: Any = True
    ) -> Any:
        keepdims = keepdims is True
        found = NATIVE[plain](wrap(_without_nan(a, fill)), axis, None, keepdims, initial, where)._tensor
        if is_inexact(a.dtype) and initial is _NO:
            empty = torch.isnan(a).all(axes_of(axis, a.dim()), keepdims) if a.dim() else torch.isnan(a)
            found = torch.where(empty, found.new_full((), torch.nan), found)
        return found if out is None else write(out, found)

    native(core, name=name)


def _places(name: str, fill: float) -> None:
    plain = name[3:]

    def core(a: Tensor, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        if is_inexact(a.dtype) and bool(torch.isnan(a).all(axes_of(axis, a.dim())).any()):
            raise ValueError("All-NaN slice encountered")
        found = NATIVE[plain](wrap(_without_nan(a, fill)), axis, keepdims=keepdims is True)._tensor
        return found if out is None else write(out, found)

    native(core, name=name)


_sums("nansum", 0.0)
_sums("nanprod", 1.0)
_scans("nancumsum", 0.0)
_scans("nancumprod", 1.0)
_extremes("nanmax", -torch.inf)
_extremes("nanmin", torch.inf)
_places("nanargmax", -torch.inf)
_places("nanargmin", torch.inf)


def _valid(a: Tensor, where: Any) -> Tensor:
    mask = ~torch.isnan(a)
    return mask if where is True or where is _NO else mask & tensor_of(where, a.device).to(torch.bool)


@native
def nanmean(
    a: Tensor, axis: Any = None, dtype: Dtype = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    if type(axis) is int and a.dtype in _USUAL and a.dim() and dtype is out is None and where is True:
        return torch.nanmean(a, axis, keepdims is True)
    if not is_inexact(a.dtype):
        return NATIVE["mean"](wrap(a), axis, dtype, out, keepdims is True, where)
    x = floating(a, dtype)
    axes = axes_of(axis, x.dim())
    if where is True and axes and x.dtype.is_floating_point:
        found = torch.nanmean(x, axes, keepdims is True)
        return found if out is None else write(out, found)
    kept, count = counted(x, axes, keepdims is True, wrap(_valid(x, where)))
    found = (torch.sum(kept, axes, keepdims is True) if axes else kept) / count
    return found.to(x.dtype) if out is None else write(out, found)


def _spread(name: str, finish: Callable[[Tensor], Tensor]) -> None:
    def core(
        a: Tensor, axis: Any = None, dtype: Dtype = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
        where: Any = True, mean: Any = _NO, correction: Any = _NO,
    ) -> Any:  # fmt: skip
        x = floating(a, dtype)
        if x.dim() == 0 and is_inexact(a.dtype) and axes_of(axis, 0) == ():
            axis = None  # NumPy takes a number's absent axis here, if it may be NaN
        valid = wrap(_valid(x, where))
        steps = ddof if correction is _NO else correction
        found = NATIVE["var"](wrap(x), axis, ddof=steps, keepdims=keepdims is True, where=valid, mean=mean)._tensor
        _, count = counted(x, axes_of(axis, x.dim()), keepdims is True, valid)
        found = finish(torch.where(count <= steps, found.new_full((), torch.nan), found))
        return found if out is None else write(out, found)

    native(core, name=name)


_spread("nanvar", lambda value: value)
_spread("nanstd", root_of)
