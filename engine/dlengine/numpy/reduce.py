"""The methods of a ufunc beyond its call: reduce, accumulate, reduceat and at."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import device_of, ndarray, tensor_of, wrap, writable, write
from dlengine.numpy.dtypes import default_float, is_inexact, torch_dtype
from dlengine.numpy.fallback import followed

_FAST = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
_SCAN = {"add": "cumsum", "multiply": "cumprod"}
_SCATTER = {"maximum": "amax", "minimum": "amin", "multiply": "prod"}


def floating(tensor: Tensor) -> Tensor:
    return tensor if is_inexact(tensor.dtype) else tensor.to(default_float())


def _function(name: str) -> Any:
    from dlengine.numpy.native import NATIVE

    return NATIVE[name]


def _binary(ufunc: Any) -> None:
    if ufunc.nin != 2 or ufunc.nout != 1:
        raise ValueError(
            f"{ufunc.__name__}: reduce, accumulate and reduceat are for functions of two inputs and one output"
        )


def fold(ufunc: Any, array: Any, axis: Any, dtype: Any, out: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    """ufunc.reduce: torch's own reduction where it has one, else one element after the other."""
    _binary(ufunc)
    tensor = tensor_of(array, None, None if dtype is None else torch_dtype(dtype))
    if ufunc.__name__ in _FAST:
        options = {} if initial is numpy._NoValue else {"initial": initial}
        if dtype is not None and ufunc.__name__ in ("add", "multiply"):
            options["dtype"] = dtype
        return _function(_FAST[ufunc.__name__])(
            wrap(tensor), axis=axis, keepdims=keepdims, where=where, out=out, **options
        )
    axes = errors.normal_axes(axis, tensor.dim())
    if ufunc.__name__ == "logaddexp" and where is True and initial is numpy._NoValue and axes and tensor.numel():
        total = torch.logsumexp(floating(tensor), axes, keepdims)
        return wrap(total) if out is None else write(out, total)
    if where is not True:
        tensor = torch.where(tensor_of(where, tensor.device), tensor, tensor.new_tensor(ufunc.identity))
    for dim in sorted(axes, reverse=True):
        tensor = _fold_one(ufunc, tensor, dim, keepdims)
    result = wrap(tensor)
    if initial is not numpy._NoValue:
        result = ufunc(initial, result)
    return result if out is None else write(out, result._tensor)


def _fold_one(ufunc: Any, tensor: Tensor, dim: int, keepdims: bool) -> Tensor:
    parts = [wrap(part) for part in tensor.unbind(dim)]
    if not parts:
        if ufunc.identity is None:
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        shape = [n for i, n in enumerate(tensor.shape) if i != dim]
        parts = [wrap(torch.full(shape, ufunc.identity, dtype=tensor.dtype, device=tensor.device))]
    result = parts[0]
    for part in parts[1:]:
        result = ufunc(result, part)
    return result._tensor.unsqueeze(dim) if keepdims else result._tensor


def accumulate(ufunc: Any, array: Any, axis: int, dtype: Any, out: Any) -> Any:
    """ufunc.accumulate: every partial result along the axis."""
    _binary(ufunc)
    if ufunc.__name__ in _SCAN:
        return _function(_SCAN[ufunc.__name__])(array, axis=axis, dtype=dtype, out=out)
    tensor = tensor_of(array, None, None if dtype is None else torch_dtype(dtype))
    dim = errors.normal_axis(axis, tensor.dim())
    parts = [wrap(part) for part in tensor.unbind(dim)]
    for index in range(1, len(parts)):
        parts[index] = ufunc(parts[index - 1], parts[index])
    result = torch.stack([part._tensor for part in parts], dim) if parts else tensor.clone()
    return wrap(result) if out is None else write(out, result)


def fold_at(ufunc: Any, array: Any, indices: Any, axis: int, dtype: Any, out: Any) -> Any:
    """ufunc.reduceat: one reduction per slice between neighbouring indices."""
    tensor = tensor_of(array)
    dim = errors.normal_axis(axis, tensor.dim())
    starts = tensor_of(indices).tolist()
    length = tensor.shape[dim]
    for index, start in enumerate(starts):
        if not 0 <= start < length:
            raise IndexError(f"index {start} out-of-bounds in {ufunc.__name__}.reduceat [0, {length}) (entry {index})")
    parts = []
    for start, end in zip(starts, [*starts[1:], length], strict=True):
        piece = wrap(tensor.narrow(dim, start, max(end - start, 1)))
        parts.append(fold(ufunc, piece, dim, dtype, None, False, numpy._NoValue, True)._tensor)
    result = torch.stack(parts, dim)
    return wrap(result) if out is None else write(out, result)


def at(ufunc: Any, array: Any, indices: Any, values: Any) -> None:
    """ufunc.at: in place, and once for every index, also for one that comes twice."""
    if not isinstance(array, ndarray):
        raise TypeError("at() changes its first argument in place: it must be an array")
    tensor = writable(array._tensor)
    places = wrap(torch.arange(tensor.numel(), device=tensor.device).reshape(tensor.shape))[indices]._tensor  # type: ignore[index]
    spots = torch.unravel_index(places.reshape(-1), tensor.shape)
    if ufunc.nin == 1:
        unique = torch.unravel_index(torch.unique(places), tensor.shape)
        tensor[unique] = ufunc(wrap(tensor[unique]))._tensor.to(tensor.dtype)
        return
    value = tensor_of(values, device_of((array,))).expand(places.shape).reshape(-1)
    if ufunc.__name__ in ("add", "subtract") and tensor.dtype is not torch.bool:
        signed = value.to(tensor.dtype) if ufunc.__name__ == "add" else -value.to(tensor.dtype)
        tensor.index_put_(spots, signed, accumulate=True)
    elif ufunc.__name__ in _SCATTER and tensor.is_contiguous() and not (followed(tensor) or followed(value)):
        flat = tensor.view(-1)
        flat.scatter_reduce_(0, places.reshape(-1), value.to(tensor.dtype), _SCATTER[ufunc.__name__])
    else:
        for index, part in enumerate(value):
            spot = tuple(s[index] for s in spots)
            tensor[spot] = ufunc(wrap(tensor[spot].clone()), wrap(part))._tensor.to(tensor.dtype)
