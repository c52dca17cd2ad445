"""Sorting and searching."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import tensor_of
from dlengine.numpy.native import Tensors, native, same_dtype


def along(a: Tensor, axis: Any) -> tuple[Tensor, int]:
    """The tensor and the axis to work along: for None, all of it in one line."""
    return (a.reshape(-1), 0) if axis is None else (a, errors.normal_axis(axis, a.dim()))


def complex_order(x: Tensor, dim: int) -> Tensor:
    """The order of complex numbers: by real part, then by imaginary part."""
    by_imaginary = torch.argsort(x.imag, dim=dim, stable=True)
    by_real = torch.argsort(x.real.gather(dim, by_imaginary), dim=dim, stable=True)
    return by_imaginary.gather(dim, by_real)


@native
def sort(
    a: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True, descending: bool = False
) -> Tensor:
    x, dim = along(a, axis)
    if x.is_complex():
        found = x.gather(dim, complex_order(x, dim))
        return found.flip(dim) if descending else found
    return torch.sort(x, dim=dim, stable=True, descending=descending).values


@native
def argsort(
    a: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True, descending: bool = False
) -> Tensor:
    x, dim = along(a.reshape(1) if a.dim() == 0 else a, axis)
    if x.is_complex():
        found = complex_order(x, dim)
        return found.flip(dim) if descending else found
    return torch.argsort(x, dim=dim, stable=True, descending=descending)


@native
def partition(a: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Tensor:
    _check_kth(a, kth, axis)
    return torch.sort(*along(a, axis)).values


@native
def argpartition(a: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Tensor:
    _check_kth(a, kth, axis)
    x, dim = along(a, axis)
    return torch.argsort(x, dim=dim, stable=True)


def _check_kth(a: Tensor, kth: Any, axis: Any) -> None:
    x, dim = along(a, axis)
    for k in tensor_of(kth).reshape(-1).tolist():
        if not -x.shape[dim] <= k < x.shape[dim]:
            raise ValueError(f"kth(={k}) out of bounds ({x.shape[dim]})")


@native
def sort_complex(a: Tensor) -> Tensor:
    kind = (
        torch.complex64 if a.dtype in (torch.float16, torch.float32, torch.int8, torch.int16, torch.uint8) else a.dtype
    )
    x = a.to(kind if kind.is_complex else torch.complex128)
    return x.gather(-1, complex_order(x, x.dim() - 1))


@native
def lexsort(keys: Tensors, axis: int = -1) -> Tensor:
    if not keys:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    dim = errors.normal_axis(axis, keys[0].dim())
    order = torch.argsort(keys[0], dim=dim, stable=True)
    for key in keys[1:]:
        order = order.gather(dim, torch.argsort(key.gather(dim, order), dim=dim, stable=True))
    return order


@native
def searchsorted(a: Tensor, v: Tensor, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    if a.dim() != 1:
        raise ValueError(
            "object too deep for desired array" if a.dim() else "object of too small depth for desired array"
        )
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got '{side}')")
    base, wanted = same_dtype(a if sorter is None else a[sorter], v)
    if base.dtype is torch.bool:
        base, wanted = base.to(torch.uint8), wanted.to(torch.uint8)
    return torch.searchsorted(base.contiguous(), wanted.contiguous(), right=side == "right")


@native
def digitize(x: Tensor, bins: Tensor, right: bool = False) -> Tensor:
    steps = bins.diff()
    falling = bins.numel() > 1 and bool((steps <= 0).all()) and bool((steps < 0).any())
    if not falling and bool((steps < 0).any()):
        raise ValueError("bins must be monotonically increasing or decreasing")
    base, wanted = same_dtype(bins.flip(0) if falling else bins, x)
    found = torch.searchsorted(base.contiguous(), wanted.contiguous(), right=(right if falling else not right))
    return bins.numel() - found if falling else found


@native
def nonzero(a: Tensor) -> Any:
    if a.dim() == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    return a.nonzero(as_tuple=True)


@native
def argwhere(a: Tensor) -> Tensor:
    return a.nonzero()


@native
def flatnonzero(a: Tensor) -> Tensor:
    return a.reshape(-1).nonzero().reshape(-1)
