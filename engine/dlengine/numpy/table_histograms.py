"""Counts: of integers, and of numbers in bins."""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy.core import tensor_of
from dlengine.numpy.dtypes import TO_NUMPY, default_float, is_inexact
from dlengine.numpy.native import NATIVE, native, register, same_dtype
from dlengine.numpy.table_reductions import floating
from dlengine.numpy.table_shape import is_number


@native
def bincount(x: Tensor, /, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    if weights is None and x.dtype is torch.int64 and x.dim() == 1 and x.is_cpu:
        try:
            return torch.bincount(x, minlength=minlength)
        except RuntimeError:  # a negative element, told below
            pass
    if is_inexact(x.dtype) and x.numel():
        raise TypeError(
            f"Cannot cast array data from dtype('{str(x.dtype)[6:]}') to dtype('int64') according to the rule 'safe'"
        )
    if x.dim() != 1:
        raise ValueError(
            "object too deep for desired array" if x.dim() else "object of too small depth for desired array"
        )
    places = x.to(torch.int64)
    if x.numel() and int(places.min()) < 0:
        raise ValueError("'list' argument must have no negative elements")
    size = max(int(places.max()) + 1 if x.numel() else 0, minlength)
    added = torch.ones_like(places) if weights is None else floating(weights).to(default_float())
    return torch.zeros(size, dtype=added.dtype, device=x.device).index_add(0, places, added)


def _edges(x: Tensor, bins: Any, range: Any) -> Tensor:
    if isinstance(bins, str):
        host = numpy.histogram_bin_edges(x.detach().cpu().numpy(), bins, range)
        return torch.from_numpy(host).to(x.device)
    if not is_number(bins):
        found = tensor_of(bins, x.device)
        if bool((found.diff() < 0).any()):
            raise ValueError("`bins` must increase monotonically, when an array")
        return found
    count = int(bins)
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    low, high = range if range is not None else ((float(x.min()), float(x.max())) if x.numel() else (0.0, 1.0))
    if low > high:
        raise ValueError("max must be larger than min in range parameter.")
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    kind = x.dtype if x.dtype.is_floating_point else default_float()
    return NATIVE["linspace"](low, high, count + 1, dtype=TO_NUMPY[kind])._tensor.to(x.device)


@native
def histogram_bin_edges(a: Tensor, bins: Any = 10, range: Any = None, weights: Any = None) -> Tensor:
    return _edges(a.reshape(-1), bins, range)


@native
def histogram(a: Tensor, bins: Any = 10, range: Any = None, density: Any = None, weights: Tensor | None = None) -> Any:
    flat = a.reshape(-1)
    flat = flat.to(torch.uint8) if flat.dtype is torch.bool else flat
    edges = _edges(flat, bins, range)
    counts = _counted([flat], [edges], None if weights is None else weights.reshape(-1))
    if density:
        counts = counts / edges.diff() / counts.sum()
    return counts, edges


def _counted(columns: list[Tensor], edges: list[Tensor], weights: Tensor | None) -> Tensor:
    """How many points (or how much weight) fall into each cell; the last cell of an axis includes its upper edge."""
    inside = torch.ones_like(columns[0], dtype=torch.bool)
    place = torch.zeros(columns[0].shape, dtype=torch.int64, device=columns[0].device)
    shape = [len(e) - 1 for e in edges]
    for column, edge in zip(columns, edges, strict=True):
        x, e = same_dtype(column, edge)
        index = torch.searchsorted(e.contiguous(), x.contiguous(), right=True) - 1
        index = torch.where(x == e[-1], torch.full_like(index, len(e) - 2), index)
        inside &= (index >= 0) & (index < len(e) - 1)
        place = place * (len(e) - 1) + index
    amount = torch.ones_like(place) if weights is None else weights
    chosen = inside.nonzero().reshape(-1)
    return (
        torch.zeros(math.prod(shape), dtype=amount.dtype, device=amount.device)
        .index_add(0, place[chosen], amount[chosen])
        .reshape(shape)
    )


@native
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Tensor | None = None
) -> Any:
    if isinstance(sample, (list, tuple)):
        columns = [tensor_of(s) for s in sample]
    else:
        table = tensor_of(sample)
        columns = list((table.unsqueeze(1) if table.dim() == 1 else table).unbind(1))
    counts_asked = [bins] * len(columns) if isinstance(bins, int) else list(bins)
    ranges = [None] * len(columns) if range is None else list(range)
    columns = [floating(c) for c in columns]
    edges = [_edges(c, b, r) for c, b, r in zip(columns, counts_asked, ranges, strict=True)]
    counts = _counted(columns, edges, weights)
    counts = counts.to(default_float())
    if density:
        for axis, edge in enumerate(edges):
            counts = counts / edge.diff().reshape([-1 if i == axis else 1 for i in builtin_range(len(edges))])
        counts = counts / (counts * _volumes(edges)).sum()
    return counts, tuple(edges)


builtin_range = range


def _volumes(edges: list[Tensor]) -> Tensor:
    volume = edges[0].diff()
    for edge in edges[1:]:
        volume = volume.unsqueeze(-1) * edge.diff()
    return volume


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The counts of points in the cells of a plane, and the edges along x and y."""
    pair = (
        [bins, bins]
        if isinstance(bins, int) or (not isinstance(bins, (list, tuple)) or len(bins) not in (1, 2))
        else bins
    )
    counts, (first, second) = NATIVE["histogramdd"](
        [x, y], list(pair) * (1 if len(pair) == 2 else 2), range, density, weights
    )
    return counts, first, second


register(histogram2d)
