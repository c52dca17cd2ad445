"""Shapes: reshape, move, join, split, repeat, pad."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import device_of, ndarray, tensor_of, to_host, wrap, write
from dlengine.numpy.native import NATIVE, Dtype, Tensors, alias, native, same_dtype


def sizes_of(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, ndarray):
        shape = shape._tensor.tolist()
    if hasattr(shape, "__index__"):
        return (shape.__index__(),)
    return tuple(n if type(n) is int else n.__index__() for n in shape)


def _fortran(tensor: Tensor) -> Tensor:
    return tensor.permute(tuple(range(tensor.dim() - 1, -1, -1)))


@native
def reshape(a: Tensor, /, *shape: Any, order: str = "C", copy: Any = None, newshape: Any = None) -> Tensor:
    if newshape is not None:
        shape = (newshape,)
    if len(shape) > 1 and isinstance(shape[-1], str):
        *rest, order = shape
        shape = tuple(rest)
    sizes = sizes_of(shape[0] if len(shape) == 1 else shape)
    count, known = a.numel(), math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if (count != known) if -1 not in sizes else (known == 0 or count % known):
        told = str(tuple(sizes)).replace(" ", "")
        raise ValueError(f"cannot reshape array of size {count} into shape {told}")
    sizes = tuple(count // known if n == -1 else n for n in sizes)
    if order == "F":
        return _fortran(_fortran(a).reshape(sizes[::-1]))
    if copy is False:
        try:
            return a.view(sizes)
        except RuntimeError:
            raise ValueError("Unable to avoid creating a copy while reshaping.") from None
    return a.reshape(sizes).clone() if copy else a.reshape(sizes)


@native
def ravel(a: Tensor, order: str = "C") -> Tensor:
    return (_fortran(a) if order == "F" else a).reshape(-1)


@native
def transpose(a: Tensor, *axes: Any) -> Tensor:
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
    if order is None:
        return _fortran(a)
    order = sizes_of(order)
    if len(order) != a.dim():
        raise ValueError("axes don't match array")
    wanted = tuple(errors.normal_axis(axis, a.dim()) for axis in order)
    if len(set(wanted)) != len(wanted):
        raise ValueError("repeated axis in transpose")
    return a.permute(wanted)


def permute_dims(a: Any, axes: Any = None) -> Any:
    """As transpose."""
    return NATIVE["transpose"](a, *(() if axes is None else (axes,)))


NATIVE["permute_dims"] = permute_dims


@native
def matrix_transpose(x: Tensor, /) -> Tensor:
    if x.dim() < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.dim()}")
    return x.mT


@native
def swapaxes(a: Tensor, axis1: int, axis2: int) -> Tensor:
    return a.transpose(errors.normal_axis(axis1, a.dim()), errors.normal_axis(axis2, a.dim()))


@native
def moveaxis(a: Tensor, source: Any, destination: Any) -> Tensor:
    start, end = errors.normal_axes(source, a.dim()), errors.normal_axes(destination, a.dim())
    if len(start) != len(end):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    return a.movedim(start, end)


@native
def rollaxis(a: Tensor, axis: int, start: int = 0) -> Tensor:
    axis = errors.normal_axis(axis, a.dim())
    start = start + a.dim() if start < 0 else start
    return a.movedim(axis, start - 1 if axis < start else start)


@native
def expand_dims(a: Tensor, axis: Any) -> Tensor:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for place in sorted(errors.normal_axes(tuple(axes), a.dim() + len(axes))):
        a = a.unsqueeze(place)
    return a


@native
def squeeze(a: Tensor, axis: Any = None) -> Tensor:
    if axis is None:
        return a.squeeze()
    axes = errors.normal_axes(axis, a.dim())
    if any(a.shape[i] != 1 for i in axes):
        raise ValueError(
            f"cannot select an axis to squeeze out which has size not equal to one (shape {tuple(a.shape)})"
        )
    return a.squeeze(axes) if axes else a


@native
def broadcast_to(array: Tensor, shape: Any, subok: bool = False) -> Tensor:
    goal = sizes_of(shape)
    try:
        if len(goal) < array.dim():
            raise RuntimeError
        return array.expand(goal)
    except RuntimeError:
        text = (
            f"operands could not be broadcast together with remapped shapes [original->remapped]: {tuple(array.shape)} "
        )
        raise ValueError(f"{text} and requested shape {goal}") from None


@native
def broadcast_arrays(*args: Tensor, subok: bool = False) -> Any:
    shape = errors.broadcast(*[tuple(a.shape) for a in args]) if args else ()
    return tuple(a.expand(shape) for a in args)


def _at_least(ndim: int) -> Callable[..., Any]:
    grow = {1: torch.atleast_1d, 2: torch.atleast_2d, 3: torch.atleast_3d}[ndim]

    def call(*arys: Any) -> Any:
        device = device_of(arys)
        made = tuple(wrap(grow(tensor_of(a, device))) for a in arys)
        return made[0] if len(made) == 1 else made

    call.__name__ = f"atleast_{ndim}d"
    return call


for _ndim in (1, 2, 3):
    NATIVE[f"atleast_{_ndim}d"] = _at_least(_ndim)


def _joined(parts: list[Tensor], axis: int, dtype: torch.dtype | None) -> Tensor:
    if not parts:
        raise ValueError("need at least one array to concatenate")
    dims = {part.dim() for part in parts}
    if dims == {0}:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if len(dims) > 1:
        raise ValueError(
            f"all the input array dimensions must match exactly: the shapes are {[tuple(p.shape) for p in parts]}"
        )
    axis = errors.normal_axis(axis, parts[0].dim())
    for index, part in enumerate(parts):
        for dim, (n, m) in enumerate(zip(parts[0].shape, part.shape, strict=True)):
            if n != m and dim != axis:
                raise ValueError(
                    f"all the input array dimensions except for the concatenation axis must match exactly, but along "
                    f"dimension {dim}, the array at index 0 has size {n} and the array at index {index} has size {m}"
                )
    return torch.cat([p.to(dtype) for p in parts] if dtype else same_dtype(*parts), axis)


@native
def concatenate(arrays: Tensors, /, axis: Any = 0, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
    parts = list(arrays)
    return _joined([p.reshape(-1) for p in parts], 0, dtype) if axis is None else _joined(parts, axis, dtype)


@native
def stack(arrays: Tensors, axis: int = 0, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
    if not arrays:
        raise ValueError("need at least one array to stack")
    if len({tuple(a.shape) for a in arrays}) > 1:
        raise ValueError(f"all input arrays must have the same shape, not {[tuple(a.shape) for a in arrays]}")
    parts = [a.to(dtype) for a in arrays] if dtype else same_dtype(*arrays)
    return torch.stack(parts, errors.normal_axis(axis, arrays[0].dim() + 1))


def _stacker(name: str, prepare: Callable[[Tensor], Tensor], axis: Callable[[list[Tensor]], int]) -> None:
    def core(tup: Tensors, *, dtype: Dtype = None, casting: str = "same_kind") -> Tensor:
        parts = [prepare(t) for t in tup]
        return _joined(parts, axis(parts), dtype)

    native(core, name=name)


_stacker("vstack", torch.atleast_2d, lambda parts: 0)
_stacker("hstack", torch.atleast_1d, lambda parts: 0 if parts and parts[0].dim() == 1 else 1)
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
    if hasattr(indices_or_sections, "__index__") and not isinstance(indices_or_sections, (list, tuple)):
        count = indices_or_sections.__index__()
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, more = divmod(size, count)
        return list(ary.split([each + 1] * more + [each] * (count - more), dim))
    bounds = [0, *[slice(int(i)).indices(size)[1] for i in indices_or_sections], size]
    return [ary.narrow(dim, a, max(b - a, 0)) for a, b in itertools.pairwise(bounds)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """As array_split, but the parts must be equal. Errors: ValueError."""
    made = NATIVE["array_split"](ary, indices_or_sections, axis)
    if hasattr(indices_or_sections, "__index__") and len({part.shape for part in made}) > 1:
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
def flip(m: Tensor, axis: Any = None) -> Tensor:
    return torch.flip(m, errors.normal_axes(axis, m.dim()))


@native
def fliplr(m: Tensor) -> Tensor:
    if m.dim() < 2:
        raise ValueError("Input must be >= 2-d.")
    return torch.flip(m, (1,))


@native
def flipud(m: Tensor) -> Tensor:
    if m.dim() < 1:
        raise ValueError("Input must be >= 1-d.")
    return torch.flip(m, (0,))


@native
def rot90(m: Tensor, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    first, second = errors.normal_axes(tuple(axes), m.dim())
    return torch.rot90(m, k, (first, second))


@native
def roll(a: Tensor, shift: Any, axis: Any = None) -> Tensor:
    if axis is None:
        total = sum(sizes_of(shift))
        return torch.roll(a.reshape(-1), total).reshape(a.shape)
    axes = tuple(errors.normal_axis(i, a.dim()) for i in sizes_of(axis))
    shifts = sizes_of(shift)
    shifts, axes = (tuple(map(int, v)) for v in numpy.broadcast_arrays(shifts, axes))
    for step, dim in zip(shifts, axes, strict=True):
        a = torch.roll(a, step, dim)
    return a.clone() if not axes else a


@native
def repeat(a: Tensor, repeats: Any, axis: Any = None) -> Tensor:
    x, dim = (a.reshape(-1), 0) if axis is None else (a, errors.normal_axis(axis, a.dim()))
    counts = tensor_of(repeats, a.device).reshape(-1)
    if counts.numel() not in (1, x.shape[dim]):
        text = f"operands could not be broadcast together with shape ({x.shape[dim]},) ({counts.numel()},)"
        raise ValueError(text)
    if counts.numel() and bool((counts < 0).any()):
        raise ValueError("repeats may not contain negative values.")
    return torch.repeat_interleave(x, counts.expand(x.shape[dim]) if counts.numel() == 1 else counts, dim)


@native
def tile(A: Tensor, reps: Any) -> Tensor:
    return torch.tile(A, sizes_of(reps)) if sizes_of(reps) else A.clone()


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
def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    from dlengine.numpy import methods

    return methods.astype(wrap(x), dtype, copy=copy, device=device)._tensor


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copy `src` into `dst`, where `where` is true. Errors: TypeError for an unsafe cast, ValueError for the shape."""
    target = tensor_of(dst)
    new = tensor_of(src, target.device)
    weak = type(src) in (int, float, complex, bool)
    if where is not True:
        mask = tensor_of(where, target.device).to(torch.bool)
        new = torch.where(mask, new.to(target.dtype) if weak else new, target)
    write(dst, new, "unsafe" if weak else casting)


NATIVE["copyto"] = copyto


@native
def pad(array: Tensor, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Tensor:
    """Constant, edge, reflect, symmetric, wrap and empty; statistics and functions run in NumPy."""
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
