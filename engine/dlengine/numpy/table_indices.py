"""Arrays of indices: of flat places, diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import devices
from dlengine.numpy.core import tensor_of, wrap, writable
from dlengine.numpy.native import NATIVE, Tensors, native, register
from dlengine.numpy.table_select import places_of


@native
def unravel_index(indices: Tensor, shape: Any, order: str = "C") -> Any:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    total = int(numpy.prod(sizes))
    if indices.numel() and not (int(indices.min()) >= 0 and int(indices.max()) < total):
        raise ValueError(f"index {int(indices.max())} is out of bounds for array with size {total}")
    parts = torch.unravel_index(indices, sizes[::-1] if order == "F" else sizes)
    return tuple(parts[::-1]) if order == "F" else tuple(parts)


@native
def ravel_multi_index(multi_index: Tensors, dims: Any, mode: Any = "raise", order: str = "C") -> Tensor:
    modes = (mode,) * len(dims) if isinstance(mode, str) else mode
    result = torch.zeros((), dtype=torch.int64, device=multi_index[0].device)
    pairs = list(zip(multi_index, dims, modes, strict=True))
    for index, size, how in pairs if order == "C" else pairs[::-1]:
        if how == "raise" and bool(((index < 0) | (index >= size)).any()):
            raise ValueError("invalid entry in coordinates array")
        result = result * size + places_of(index, size, how)
    return result


def ix_(*args: Any) -> Any:
    """An open mesh of index arrays: one axis for each argument."""
    made = []
    for axis, item in enumerate(args):
        tensor = tensor_of(item)
        if tensor.dim() != 1:
            raise ValueError("Cross index must be 1 dimensional")
        tensor = tensor.nonzero().reshape(-1) if tensor.dtype is torch.bool else tensor
        tensor = tensor.to(torch.int64) if tensor.numel() == 0 else tensor
        made.append(wrap(tensor.reshape([-1 if i == axis else 1 for i in range(len(args))])))
    return tuple(made)


register(ix_)


def diag_indices(n: int, ndim: int = 2) -> Any:
    return (wrap(torch.arange(n, device=devices.pick())),) * ndim


def diag_indices_from(arr: Any) -> Any:
    array = wrap(tensor_of(arr))
    if array.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(array.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    with devices.device(array.device):
        return diag_indices(array.shape[0], array.ndim)


def mask_indices(n: int, mask_func: Any, k: Any = 0) -> Any:
    return NATIVE["nonzero"](mask_func(wrap(torch.ones(n, n, dtype=torch.int64, device=devices.pick())), k) != 0)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> Any:
    return NATIVE["nonzero"](wrap(torch.ones(n, n if m is None else m, device=devices.pick()).tril(k)))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> Any:
    return NATIVE["nonzero"](wrap(torch.ones(n, n if m is None else m, device=devices.pick()).triu(k)))


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    with devices.device(tensor_of(arr).device):
        return tril_indices(arr.shape[-2], k, arr.shape[-1])


def triu_indices_from(arr: Any, k: int = 0) -> Any:
    with devices.device(tensor_of(arr).device):
        return triu_indices(arr.shape[-2], k, arr.shape[-1])


register(
    diag_indices, diag_indices_from, mask_indices, tril_indices, triu_indices, tril_indices_from, triu_indices_from
)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write values along the main diagonal, in place."""
    target = writable(tensor_of(a))
    if target.dim() < 2:
        raise ValueError("array must be at least 2-d")
    if target.dim() > 2 and len(set(target.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    step = target.shape[1] + 1 if target.dim() == 2 else sum(target.shape[0] ** i for i in range(target.dim()))
    end = target.shape[1] ** 2 if target.dim() == 2 and not wrap else target.numel()
    places = torch.arange(0, min(end, target.numel()), step, device=target.device)
    new = tensor_of(val, target.device).reshape(-1).to(target.dtype)
    repeated = new.repeat(-(-len(places) // max(new.numel(), 1)))[: len(places)]
    target.index_put_(torch.unravel_index(places, target.shape), repeated)


register(fill_diagonal)
