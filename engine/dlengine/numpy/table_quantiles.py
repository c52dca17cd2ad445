"""Quantiles, medians, covariances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import devices, errors, fallback
from dlengine.numpy.core import tensor_of, wrap, write
from dlengine.numpy.dtypes import TO_NUMPY, default_float, is_inexact, promote
from dlengine.numpy.native import NATIVE, Dtype, native, same_dtype
from dlengine.numpy.table_ranks import ranked, weighted
from dlengine.numpy.table_reductions import floating

_NO = numpy._NoValue


def _probabilities(q: Any, x: Tensor, scale: float) -> Tensor:
    found = (tensor_of(q, x.device).to(torch.float64) / scale).to(
        x.dtype if x.dtype.is_floating_point else default_float()
    )
    if fallback.readable(found) and bool(((found < 0) | (found > 1)).any()):
        raise ValueError(
            "Quantiles must be in the range [0, 1]" if scale == 1 else "Percentiles must be in the range [0, 100]"
        )
    return found


def _quantile(name: str, scale: float, skip_nan: bool) -> Callable[..., Any]:
    function = torch.nanquantile if skip_nan else torch.quantile

    def core(a: Tensor, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: bool = False, *, weights: Any = None) -> Any:  # fmt: skip
        axes = errors.normal_axes(axis, a.dim())
        keepdims = bool(keepdims) and keepdims is not _NO
        x = floating(a)
        asked: Any = q if type(q) is float else tensor_of(q, a.device)
        if method == "linear" and scale == 1 and isinstance(asked, Tensor) and not is_inexact(asked.dtype):
            method = "lower"  # of 0 or 1: the least or the largest element itself, of the array's dtype
        plain = method == "linear" and weights is None
        if plain and type(q) is float and 0 <= q <= scale and len(axes) == 1 and x.numel() and out is None:
            if skip_nan:
                return function(x, q / scale, axes[0], keepdims)
            value = _between(x, q / scale * (x.shape[axes[0]] - 1), axes[0])
            return value.unsqueeze(axes[0]) if keepdims else value
        several = isinstance(asked, Tensor) and asked.dim() > 0  # an array takes part in the dtype, a number does not
        wide = promote(x.dtype, devices.fitting(asked.dtype, x.device)) if several else x.dtype
        if plain:
            flat, shape = merged(x.to(wide), axes)
            points = _probabilities(q, flat, scale)
        else:
            flat, shape = merged(a, axes)
            points = _probabilities(q, x.double(), scale)
        if flat.shape[-1] == 0:
            raise IndexError("cannot take a quantile of an empty axis")
        if plain:
            value = function(flat, points.reshape(-1), dim=-1)
        elif weights is None:
            value = ranked(flat, points.reshape(-1), method, skip_nan, wide)
        else:
            mass = merged(_spread_over(tensor_of(weights, a.device), a, axis, axes), axes)[0]
            value = weighted(flat, points.reshape(-1), method, skip_nan, mass)
        value = value.reshape((*points.shape, *shape))
        if keepdims:
            value = value.reshape((*points.shape, *(1 if i in axes else n for i, n in enumerate(x.shape))))
        return value if out is None else write(out, value)

    return core


def _spread_over(weights: Tensor, a: Tensor, axis: Any, axes: tuple[int, ...]) -> Tensor:
    """Weights of the array's shape, or of that of the axes alone, for every element. Errors: TypeError, ValueError."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    if tuple(weights.shape) != tuple(a.shape[i] for i in axes):
        raise ValueError(
            f"Shape of weights must be consistent with shape of a along specified axis: {tuple(weights.shape)} and "
            f"{tuple(a.shape)}"
        )
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    return weights.permute(order).reshape([n if i in axes else 1 for i, n in enumerate(a.shape)]).expand(a.shape)


def _between(x: Tensor, place: float, dim: int) -> Tensor:
    """What stands at a place of the sorted line, or between two places; NaN where the line has one."""
    low = int(place)
    if fallback.small(x):
        return torch.from_numpy(_between_on_host(x.detach().numpy(), low, place - low, dim))
    ordered = torch.sort(x, dim).values
    value = ordered.select(dim, low)
    if place > low:
        value = torch.lerp(value, ordered.select(dim, low + 1), place - low)
    last = ordered.select(dim, -1)  # where NaNs are sorted to
    return torch.where(last.isnan(), last, value)


def _between_on_host(x: Any, low: int, part: float, dim: int) -> Any:
    ordered = numpy.sort(x, dim)
    value = ordered.take(low, dim)
    last = ordered.take(-1, dim)
    with numpy.errstate(all="ignore"):
        if part:
            after = ordered.take(low + 1, dim)
            value = value + (after - value) * part if part < 0.5 else after - (after - value) * (1 - part)
        return numpy.where(last == last, value, last)  # a NaN is none of its equals


def merged(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """The axes flattened into a last one, and the shape without them."""
    if len(axes) == 1 and axes[0] == x.dim() - 1:
        return x, tuple(x.shape[:-1])
    kept = [i for i in range(x.dim()) if i not in axes]
    moved = x.permute([*kept, *axes])
    shape = tuple(x.shape[i] for i in kept)
    return moved.reshape((*shape, math.prod([x.shape[i] for i in axes]))), shape


for _name, _scale, _skip in (
    ("quantile", 1.0, False),
    ("percentile", 100.0, False),
    ("nanquantile", 1.0, True),
    ("nanpercentile", 100.0, True),
):
    native(_quantile(_name, _scale, _skip), name=_name)


def _median(name: str) -> Callable[..., Any]:
    def core(a: Tensor, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
        x = floating(a)
        axes = errors.normal_axes(axis, x.dim())
        if len(axes) == 1 and x.numel() and name == "median" and keepdims is not True and out is None:
            if x.shape[axes[0]] % 2 and x.is_cpu:  # the middle one itself
                return torch.median(x, axes[0]).values
            return _between(x, (x.shape[axes[0]] - 1) / 2, axes[0])
        flat, shape = merged(x, axes)
        if flat.shape[-1] == 0:
            value = flat.new_full(shape, torch.nan)
        elif name == "nanmedian":
            value = torch.nanquantile(flat, 0.5, dim=-1)
        else:
            value = _between(flat, (flat.shape[-1] - 1) / 2, -1)
        if keepdims is True:
            value = value.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])
        return value if out is None else write(out, value)

    return core


for _name in ("median", "nanmedian"):
    native(_median(_name), name=_name)


def _cov_on_host(x: Any, wide: torch.dtype, correction: int) -> Any:
    x = x.astype(TO_NUMPY[wide]) if x.dtype == numpy.float32 else x
    with numpy.errstate(all="ignore"):
        apart = x - numpy.add.reduce(x, 1, keepdims=True) / x.shape[1]
        return numpy.dot(apart, apart.T) / (x.shape[1] - correction)


@native
def cov(
    m: Tensor,
    y: Tensor | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
    *,
    dtype: Dtype = None,
) -> Tensor:
    if m.dim() > 2:
        raise ValueError("m has more than 2 dimensions")
    correction = (0 if bias else 1) if ddof is None else int(ddof)
    wide = devices.fitting(default_float(), m.device)
    plain = rowvar and y is None and fweights is None and aweights is None and dtype is None
    if plain and m.dim() == 2 and m.shape[1] > correction and m.shape[0] > 1 and fallback.small(m):
        return torch.from_numpy(_cov_on_host(m.detach().numpy(), wide, correction))
    x = m.to(wide if dtype is None and m.dtype is torch.float32 else dtype or promote(m.dtype, wide))
    x = x if x.dim() == 2 else torch.atleast_2d(x)
    x = x.mT if not rowvar and m.dim() == 2 else x
    if y is not None:
        other = torch.atleast_2d(y.to(x.dtype))
        x = torch.cat(same_dtype(x, other.mT if not rowvar and other.shape[0] != 1 else other))
    if fweights is None and aweights is None and x.shape[1] > correction:
        apart = x - x.mean(1, True)
        return ((apart @ apart.mH) / (x.shape[1] - correction)).squeeze()
    return torch.cov(x, correction=correction, fweights=fweights, aweights=aweights)


@native
def corrcoef(x: Tensor, y: Tensor | None = None, rowvar: bool = True, *, dtype: Dtype = None) -> Tensor:
    covariance = NATIVE["cov"](wrap(x), None if y is None else wrap(y), rowvar, dtype=dtype)._tensor
    if covariance.dim() == 0:
        return covariance / covariance
    spread = torch.sqrt(torch.diagonal(covariance).real)
    scaled = covariance / spread.unsqueeze(1) / spread
    return (
        torch.complex(scaled.real.clamp(-1, 1), scaled.imag.clamp(-1, 1))
        if scaled.is_complex()
        else scaled.clamp(-1, 1)
    )
