"""Shapes: reshape, move axes, broadcast, flip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import device_of, ndarray, tensor_of, wrap, write
from dlengine.numpy.native import NATIVE, native

_INTEGERS = {int}


def is_number(value: Any) -> bool:
    """Whether a count is one number and not an array or a list of them."""
    return type(value) is int or (hasattr(value, "__index__") and not getattr(value, "ndim", 0))


def sizes_of(shape: Any) -> tuple[int, ...]:
    """A shape, or counts, as plain integers."""
    if type(shape) is int:
        return (shape,)
    if type(shape) is tuple and set(map(type, shape)) == _INTEGERS:
        return shape
    if isinstance(shape, ndarray):
        shape = shape._tensor.tolist()
    if hasattr(shape, "__index__"):
        return (shape.__index__(),)
    return tuple(n if type(n) is int else n.__index__() for n in shape)


def _fortran(tensor: Tensor) -> Tensor:
    return tensor.permute(tuple(range(tensor.dim() - 1, -1, -1)))


@native
def reshape(a: Tensor, /, shape: Any, order: str = "C", *, copy: Any = None) -> Tensor:
    sizes = sizes_of(shape)
    if order == "F":
        return _fortran(_reshaped(_fortran(a), sizes[::-1], sizes))
    if copy is False:
        try:
            return a.view(sizes)
        except RuntimeError:
            raise ValueError("Unable to avoid creating a copy while reshaping.") from None
    made = _reshaped(a, sizes, sizes)
    return made.clone() if copy else made


def _reshaped(a: Tensor, sizes: tuple[int, ...], told: tuple[int, ...]) -> Tensor:
    try:
        return a.reshape(sizes)
    except RuntimeError:
        if sizes.count(-1) > 1:
            raise ValueError("can only specify one unknown dimension") from None
        words = str(told).replace(" ", "")
        raise ValueError(f"cannot reshape array of size {a.numel()} into shape {words}") from None


@native
def ravel(a: Tensor, order: str = "C") -> Tensor:
    return (_fortran(a) if order == "F" else a).reshape(-1)


@native
def transpose(a: Tensor, axes: Any = None) -> Tensor:
    if axes is None:
        return _fortran(a)
    order = sizes_of(axes)
    try:
        return a.permute(order)
    except (RuntimeError, IndexError):
        if len(order) != a.dim():
            raise ValueError("axes don't match array") from None
        wanted = [errors.normal_axis(axis, a.dim()) for axis in order]
        if len(set(wanted)) != len(wanted):
            raise ValueError("repeated axis in transpose") from None
        raise


def permute_dims(a: Any, axes: Any = None) -> Any:
    """As transpose."""
    return NATIVE["transpose"](a, axes)


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
    if a.dim() == 0 and type(axis) is int and axis in (0, -1):
        return a
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
    if type(shift) is type(axis) is int:
        return torch.roll(a, shift, errors.normal_axis(axis, a.dim()))
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
