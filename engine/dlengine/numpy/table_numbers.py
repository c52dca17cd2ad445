"""Numerical functions: parts of numbers, rounding, differences, integrals, interpolation."""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import ndarray, tensor_of
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import alias, native, same_dtype
from dlengine.numpy.table_reductions import axes_of, floating

_NO = numpy._NoValue


@native
def angle(z: Tensor, deg: bool = False) -> Tensor:
    x = floating(z)
    value = torch.angle(x)
    return torch.rad2deg(value) if deg else value


@native
def real(val: Tensor) -> Tensor:
    return val.real


@native
def imag(val: Tensor) -> Tensor:
    return val.imag if val.is_complex() else torch.zeros_like(val)


@native
def isreal(x: Tensor) -> Tensor:
    return x.imag == 0 if x.is_complex() else torch.ones_like(x, dtype=torch.bool)


@native
def iscomplex(x: Tensor) -> Tensor:
    return x.imag != 0 if x.is_complex() else torch.zeros_like(x, dtype=torch.bool)


@native
def isneginf(x: Tensor) -> Tensor:
    return torch.isneginf(x)


@native
def isposinf(x: Tensor) -> Tensor:
    return torch.isposinf(x)


@native
def real_if_close(a: Tensor, tol: float = 100) -> Tensor:
    if not a.is_complex():
        return a
    limit = tol * torch.finfo(a.dtype).eps if tol > 1 else tol
    return a.real if bool((a.imag.abs() < limit).all()) else a


@native
def round(a: Tensor, decimals: int = 0) -> Tensor:
    if a.is_complex():
        return torch.complex(_rounded(a.real, decimals), _rounded(a.imag, decimals))
    if a.dtype is torch.bool and decimals == 0:
        return a.to(torch.float16)
    if a.dtype is torch.bool:
        raise TypeError("round: booleans have no decimals")
    return _rounded(a, decimals)


def _rounded(x: Tensor, decimals: int) -> Tensor:
    if x.dtype.is_floating_point:
        return torch.round(x, decimals=decimals) if decimals else torch.round(x)
    if decimals >= 0:
        return x.clone()
    scale = 10.0**-decimals
    return (torch.round(x / scale) * scale).to(x.dtype)


alias(around="round")


@native
def fix(x: Tensor) -> Tensor:
    return torch.trunc(x) if x.dtype.is_floating_point else x.clone()


@native
def sinc(x: Tensor) -> Tensor:
    return torch.sinc(floating(x))


@native
def i0(x: Tensor) -> Tensor:
    return torch.special.i0(floating(x))


@native
def nan_to_num(x: Tensor, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    if not is_inexact(x.dtype):
        return x.clone() if copy else x
    if x.is_complex():
        parts = [torch.nan_to_num(p, nan, posinf, neginf) for p in (x.real, x.imag)]
        value = torch.complex(*parts)
    else:
        value = torch.nan_to_num(x, nan, posinf, neginf)
    return value if copy else x.copy_(value)


@native
def unwrap(p: Tensor, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Tensor:
    x = floating(p)
    dim = errors.normal_axis(axis, x.dim())
    step = torch.diff(x, dim=dim)
    half = period / 2
    limit = half if discont is None else max(discont, half)
    wrapped = torch.remainder(step + half, period) - half
    wrapped = torch.where((wrapped == -half) & (step > 0), wrapped.new_tensor(half), wrapped)
    change = torch.where(step.abs() < limit, torch.zeros_like(step), wrapped - step)
    return torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 1, x.shape[dim] - 1) + torch.cumsum(change, dim)], dim)


@native
def diff(a: Tensor, n: int = 1, axis: int = -1, prepend: Any = _NO, append: Any = _NO) -> Tensor:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    if a.dim() == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    dim = errors.normal_axis(axis, a.dim())
    if prepend is _NO and append is _NO:
        return torch.diff(a, n, dim)
    parts = [a]
    for extra, front in ((prepend, True), (append, False)):
        if extra is not _NO:
            part = tensor_of(extra, a.device)
            part = part.expand([1 if i == dim else m for i, m in enumerate(a.shape)]) if part.dim() == 0 else part
            parts = [part, *parts] if front else [*parts, part]
    return torch.diff(torch.cat(same_dtype(*parts), dim), n, dim)


@native
def ediff1d(ary: Tensor, to_end: Tensor | None = None, to_begin: Tensor | None = None) -> Tensor:
    parts = [None if to_begin is None else to_begin, ary.reshape(-1).diff(), to_end]
    return torch.cat([part.reshape(-1).to(ary.dtype) for part in parts if part is not None])


@native
def gradient(f: Tensor, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = floating(f)
    axes = axes_of(axis, x.dim())
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    made = []
    for dim, step in zip(axes, steps, strict=True):
        if x.shape[dim] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, "
                "at least (edge_order + 1) elements are required."
            )
        spacing = tensor_of(step, x.device)
        if spacing.dim():
            made.append(torch.gradient(x, spacing=[spacing.to(x.dtype)], dim=dim, edge_order=edge_order)[0])
        else:
            slope = torch.gradient(x, dim=dim, edge_order=edge_order)[0]
            made.append(slope if type(step) is float and step == 1 else slope / spacing)
    return made[0] if len(made) == 1 else tuple(made)


@native
def trapezoid(y: Tensor, x: Tensor | None = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    dim = errors.normal_axis(axis, y.dim())
    heights = floating(y)
    total = heights.narrow(dim, 1, y.shape[dim] - 1) + heights.narrow(dim, 0, y.shape[dim] - 1)
    if x is None:
        width: Any = dx if not isinstance(dx, ndarray) else dx._tensor
    elif x.dim() == 1:
        width = torch.diff(x).reshape([-1 if i == dim else 1 for i in range(y.dim())])
    else:
        width = torch.diff(x, dim=dim)
    return (total * width / 2.0).sum(dim)


@native
def interp(x: Tensor, xp: Tensor, fp: Tensor, left: Any = None, right: Any = None, period: Any = None) -> Tensor:
    if xp.dim() != 1 or fp.shape != xp.shape or xp.numel() == 0:
        raise ValueError("fp and xp are not of the same length." if xp.numel() else "array of sample points is empty")
    at, known, values = floating(x), floating(xp), floating(fp)
    if period is not None:
        period = abs(period)
        at, known = at % period, known % period
        order = torch.argsort(known)
        known, values = known[order], values[order]
        known = torch.cat([known[-1:] - period, known, known[:1] + period])
        values = torch.cat([values[-1:], values, values[:1]])
    at, known = same_dtype(at, known)
    if known.numel() == 1:
        result = values[0].expand(at.shape).clone()
    else:
        index = torch.searchsorted(known.contiguous(), at.detach().contiguous(), right=True).clamp(1, known.numel() - 1)
        low, high = known[index - 1], known[index]
        slope = (values[index] - values[index - 1]) / (high - low)
        result = values[index - 1] + slope * (at - low)
        result = torch.where(at <= known[0], values[0], torch.where(at >= known[-1], values[-1], result))
    if left is not None and period is None:
        result = torch.where(at < known[0], tensor_of(left).to(result.dtype), result)
    if right is not None and period is None:
        result = torch.where(at > known[-1], tensor_of(right).to(result.dtype), result)
    return torch.where(torch.isnan(at), at.to(result.dtype), result)
