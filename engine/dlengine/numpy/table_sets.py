"""Arrays as sets."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import native, same_dtype
from dlengine.numpy.table_sorting import complex_order


class UniqueAllResult(NamedTuple):
    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    values: Any
    inverse_indices: Any


def _unique(x: Tensor, equal_nan: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sorted distinct values, the first place of each, the value of each element, the counts."""
    flat = x.reshape(-1)
    order = complex_order(flat, 0) if flat.is_complex() else torch.argsort(flat, stable=True)
    ordered = flat[order]
    fresh = ordered[1:] != ordered[:-1]
    if equal_nan and is_inexact(flat.dtype):
        fresh = fresh & ~(torch.isnan(ordered[1:]) & torch.isnan(ordered[:-1]))
    first = torch.cat([torch.ones(min(1, flat.numel()), dtype=torch.bool, device=x.device), fresh])
    starts = first.nonzero().reshape(-1)
    inverse = torch.empty_like(order)
    inverse[order] = torch.cumsum(first, 0) - 1
    counts = torch.diff(torch.cat([starts, starts.new_tensor([flat.numel()])]))
    return ordered[starts], order[starts], inverse.reshape(x.shape), counts


@native
def unique(
    ar: Tensor, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: Any = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    if axis is not None:
        dim = errors.normal_axis(axis, ar.dim())
        values, inverse, counts = torch.unique(ar, dim=dim, return_inverse=True, return_counts=True)
        places = torch.arange(len(inverse), device=ar.device)
        first = torch.full((len(counts),), len(inverse), device=ar.device).scatter_reduce(0, inverse, places, "amin")
    elif not (return_index or return_inverse or return_counts or is_inexact(ar.dtype)):
        return torch.unique(ar)
    else:
        values, first, inverse, counts = _unique(ar, equal_nan)
    chosen = (
        values,
        *(v for v, ask in ((first, return_index), (inverse, return_inverse), (counts, return_counts)) if ask),
    )
    return chosen if len(chosen) > 1 else values


@native
def unique_all(x: Tensor, /) -> Any:
    return UniqueAllResult(*_unique(x, False))


@native
def unique_counts(x: Tensor, /) -> Any:
    values, _, _, counts = _unique(x, False)
    return UniqueCountsResult(values, counts)


@native
def unique_inverse(x: Tensor, /) -> Any:
    values, _, inverse, _ = _unique(x, False)
    return UniqueInverseResult(values, inverse)


@native
def unique_values(x: Tensor, /) -> Tensor:
    return _unique(x, False)[0]


def _within(left: Tensor, right: Tensor, invert: bool = False) -> Tensor:
    if left.dtype is torch.bool:
        left, right = left.to(torch.uint8), right.to(torch.uint8)
    return torch.isin(left if left.is_contiguous() else left.contiguous(), right.reshape(-1), invert=invert)


@native
def isin(
    element: Tensor, test_elements: Tensor, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Tensor:
    left, right = same_dtype(element, test_elements)
    return _within(left, right, invert)


@native
def intersect1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False, return_indices: bool = False) -> Any:
    left, right = same_dtype(ar1.reshape(-1), ar2.reshape(-1))
    values, first, _, _ = _unique(left, True)
    other, second, _, _ = _unique(right, True)
    common = _within(values, other)
    if not return_indices:
        return values[common]
    return values[common], first[common], second[_within(other, values)]


@native
def union1d(ar1: Tensor, ar2: Tensor) -> Tensor:
    return _unique(torch.cat(same_dtype(ar1.reshape(-1), ar2.reshape(-1))), True)[0]


@native
def setdiff1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False) -> Tensor:
    values = ar1.reshape(-1) if assume_unique else _unique(ar1, True)[0]
    left, right = same_dtype(values, ar2.reshape(-1))
    return values[~_within(left, right)]


@native
def setxor1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False) -> Tensor:
    left, right = same_dtype(ar1.reshape(-1), ar2.reshape(-1))
    a, b = _unique(left, True)[0], _unique(right, True)[0]
    return _unique(torch.cat([a[~_within(a, b)], b[~_within(b, a)]]), True)[0]
