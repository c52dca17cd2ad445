"""Arrays joined, split, repeated and padded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import ndarray, tensor_of, to_host, wrap
from dlengine.numpy.native import NATIVE, Dtype, Tensors, alias, native, same_dtype
from dlengine.numpy.table_shape import is_number, sizes_of


def _joined(parts: Any, axis: int, dtype: torch.dtype | None) -> Tensor:
    if not parts:
        raise ValueError("need at least one array to concatenate")
    ndim, kind = parts[0].dim(), parts[0].dtype
    if dtype is None and type(axis) is int and -ndim <= axis < ndim:
        for part in parts:
            if part.dtype is not kind or part.dim() != ndim:
                break
        else:
            try:
                return torch.cat(parts, axis)
            except (RuntimeError, IndexError):  # told in NumPy's words below
                pass
    if any([part.dim() != ndim for part in parts]):  # noqa: C419 - a list is faster here than a generator
        shapes = [tuple(part.shape) for part in parts]
        raise ValueError(f"all the input array dimensions must match exactly: the shapes are {shapes}")
    if ndim == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    axis = errors.normal_axis(axis, ndim)
    try:
        return torch.cat([part.to(dtype) for part in parts] if dtype else same_dtype(*parts), axis)
    except RuntimeError:
        _check_equal(parts, axis)
        raise


def _check_equal(parts: list[Tensor], axis: int) -> None:
    """Errors: ValueError that names the part which is of another size."""
    for index, part in enumerate(parts):
        for dim, (n, m) in enumerate(zip(parts[0].shape, part.shape, strict=True)):
            if n != m and dim != axis:
                raise ValueError(
                    f"all the input array dimensions except for the concatenation axis must match exactly, but along "
                    f"dimension {dim}, the array at index 0 has size {n} and the array at index {index} has size {m}"
                )


@native
def concatenate(arrays: Tensors, /, axis: Any = 0, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
    return _joined([p.reshape(-1) for p in arrays], 0, dtype) if axis is None else _joined(arrays, axis, dtype)


@native
def stack(arrays: Tensors, axis: int = 0, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
    if not arrays:
        raise ValueError("need at least one array to stack")
    parts = [a.to(dtype) for a in arrays] if dtype else same_dtype(*arrays)
    try:
        return torch.stack(parts, errors.normal_axis(axis, arrays[0].dim() + 1))
    except RuntimeError:
        if len({tuple(a.shape) for a in arrays}) > 1:
            raise ValueError(
                f"all input arrays must have the same shape, not {[tuple(a.shape) for a in arrays]}"
            ) from None
        raise


def _stacker(name: str, prepare: Callable[[Tensor], Tensor], axis: Callable[[list[Tensor]], int]) -> None:
    def core(tup: Tensors, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
        parts = [prepare(t) for t in tup]
        return _joined(parts, axis(parts), dtype)

    native(core, name=name)


_stacker("vstack", lambda t: t if t.dim() > 1 else torch.atleast_2d(t), lambda parts: 0)


_stacker("hstack", lambda t: t if t.dim() else t.reshape(1), lambda parts: 0 if parts and parts[0].dim() == 1 else 1)


_stacker("dstack", torch.atleast_3d, lambda parts: 2)


_stacker("column_stack", lambda t: t.reshape(-1, 1) if t.dim() < 2 else t, lambda parts: 1)


alias(concat="concatenate", row_stack="vstack")


@native
def unstack(x: Tensor, /, *, axis: int = 0) -> Any:
    return x.unbind(errors.normal_axis(axis, x.dim()))


@native
def array_split(ary: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    dim = errors.normal_axis(axis, ary.dim())
    size = ary.shape[dim]
    if is_number(indices_or_sections):
        count = indices_or_sections.__index__()
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, more = divmod(size, count)
        if more == 0 and each:
            return list(ary.split(each, dim))
        return list(ary.split([each + 1] * more + [each] * (count - more), dim))
    bounds = [0, *[slice(int(i)).indices(size)[1] for i in indices_or_sections], size]
    return [ary.narrow(dim, a, max(b - a, 0)) for a, b in itertools.pairwise(bounds)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """As array_split, but the parts must be equal. Errors: ValueError."""
    made = NATIVE["array_split"](ary, indices_or_sections, axis)
    if is_number(indices_or_sections) and made[0]._tensor.shape != made[-1]._tensor.shape:
        raise ValueError("array split does not result in an equal division")
    return made


NATIVE["split"] = split


def _splitter(name: str, least: int, axis: Callable[[int], int]) -> None:
    def call(ary: Any, indices_or_sections: Any) -> Any:
        array = wrap(tensor_of(ary))
        if array.ndim < least:
            raise ValueError(f"{name} only works on arrays of {least} or more dimensions")
        return split(array, indices_or_sections, axis(array.ndim))

    call.__name__ = name
    NATIVE[name] = call


_splitter("hsplit", 1, lambda ndim: 0 if ndim == 1 else 1)


_splitter("vsplit", 2, lambda ndim: 0)


_splitter("dsplit", 3, lambda ndim: 2)


@native
def repeat(a: Tensor, repeats: Any, axis: Any = None) -> Tensor:
    a = a.reshape(1) if a.dim() == 0 else a
    x, dim = (a.reshape(-1), 0) if axis is None else (a, errors.normal_axis(axis, a.dim()))
    if type(repeats) is int and repeats >= 0:
        return torch.repeat_interleave(x, repeats, dim)
    counts = tensor_of(repeats, a.device).reshape(-1)
    if counts.numel() not in (1, x.shape[dim]):
        text = f"operands could not be broadcast together with shape ({x.shape[dim]},) ({counts.numel()},)"
        raise ValueError(text)
    if counts.numel() and bool((counts < 0).any()):
        raise ValueError("repeats may not contain negative values.")
    return torch.repeat_interleave(x, counts.expand(x.shape[dim]) if counts.numel() == 1 else counts, dim)


@native
def tile(A: Tensor, reps: Any) -> Tensor:
    counts = sizes_of(reps)
    if not counts:
        return A.clone()
    return torch.tile(A, counts)


@native
def resize(a: Tensor, new_shape: Any) -> Tensor:
    sizes = sizes_of(new_shape)
    count = math.prod(sizes)
    if any(n < 0 for n in sizes):
        raise ValueError("all elements of `new_shape` must be non-negative")
    if a.numel() == 0:
        return a.new_zeros(sizes)
    return a.reshape(-1).repeat(-(-count // a.numel()))[:count].reshape(sizes)


@native
def append(arr: Tensor, values: Tensor, axis: Any = None) -> Tensor:
    if axis is None:
        return _joined([arr.reshape(-1), values.reshape(-1)], 0, None)
    return _joined([arr, values], axis, None)


@native
def trim_zeros(filt: Tensor, trim: str = "fb", axis: Any = None) -> Tensor:
    kept = filt.nonzero()
    for dim in errors.normal_axes(axis, filt.dim()):
        found = kept[:, dim]
        low = int(found.min()) if "f" in trim.lower() and len(found) else 0
        high = int(found.max()) + 1 if "b" in trim.lower() and len(found) else filt.shape[dim] if len(found) else 0
        filt = filt.narrow(dim, low, high - low)
    return filt


@native
def pad(array: Tensor, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Tensor:
    """Constant, edge, reflect, symmetric, wrap and empty; statistics and functions run in NumPy."""
    if type(pad_width) is int and pad_width >= 0 and mode == "constant" and not kwargs:
        return torch.constant_pad_nd(array, (pad_width,) * (2 * array.dim()))
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - array.dim(), (0, 0))) for i in range(array.dim())]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    host = to_host(pad_width) if isinstance(pad_width, ndarray) else pad_width
    widths = numpy.broadcast_to(numpy.asarray(host), (array.dim(), 2)).tolist()
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError("index can't contain negative values")
    if mode in ("constant", "empty"):
        fills = numpy.broadcast_to(numpy.asarray(kwargs.pop("constant_values", 0)), (array.dim(), 2)).tolist()
        return _pad_constant(array, widths, fills)
    if mode in ("edge", "reflect", "symmetric", "wrap") and not kwargs:
        for axis, (before, after) in enumerate(widths):
            if before or after:
                places = numpy.pad(numpy.arange(array.shape[axis]), (before, after), mode=mode)
                array = array.index_select(axis, torch.from_numpy(places).to(array.device))
        return array
    from dlengine.numpy import fallback

    return fallback.fallback("pad")(wrap(array), host, mode, **kwargs)._tensor


def _pad_constant(x: Tensor, widths: Any, fills: Any) -> Tensor:
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, fills, strict=True)):
        shape = list(x.shape)
        ends = []
        for count, fill in ((before, low), (after, high)):
            shape[axis] = count
            ends.append(torch.full(shape, fill, dtype=x.dtype, device=x.device))
        x = torch.cat([ends[0], x, ends[1]], axis)
    return x
