"""NumPy's indexing on tensors: negative steps, booleans, fancy and mixed indices, read and written.

Basic indices (integers, slices, None, Ellipsis) give views, except that a negative step copies: torch has no negative
strides. A result of one element is a copy, as NumPy's scalars are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import device_of, lifted, ndarray, needs_lifting, tensor_of, wrap, writable
from dlengine.numpy.dtypes import TO_NUMPY

_SIMPLE = frozenset({int, type(None), type(Ellipsis)})
_BACKWARDS = slice(None, None, -1)


def get(array: ndarray, key: Any) -> ndarray:
    """`array[key]`. Errors: IndexError in NumPy's words."""
    tensor = array._tensor
    kind = type(key)
    if kind is int:
        try:
            picked = tensor[key]
        except IndexError:
            raise _bad_integer(tensor, key) from None
        return wrap(picked.clone() if tensor.dim() == 1 else picked)
    if kind is slice:
        if tensor.dim() == 0:
            raise IndexError("too many indices for array: array is 0-dimensional, but 1 were indexed")
        if key.step is None or (type(key.step) is int and key.step > 0):
            return wrap(tensor[_clean(key)])
        if key == _BACKWARDS:
            return wrap(_flip(tensor, [0]))
        forward, flipped = _forward(_clean(key), tensor.shape[0])
        return wrap(_flip(tensor[forward], [0]) if flipped else tensor[forward])
    if kind is ndarray and _direct(key, tensor):
        try:
            return wrap(tensor[key._tensor])
        except (IndexError, RuntimeError):
            return wrap(_get(tensor, key))
    if kind is tuple:
        return wrap(_picked(tensor, key))
    return wrap(_get(tensor, key))


def _picked(tensor: Tensor, key: tuple[Any, ...]) -> Tensor:
    """A tuple of indices: as torch reads it where that is what NumPy means."""
    try:
        if _plain(key) and key.count(Ellipsis) < 2:
            picked = tensor[key]
            return picked.clone() if picked.dim() == 0 and Ellipsis not in key else picked
        if _one_array(key, tensor):
            return tensor[tuple([part._tensor if type(part) is ndarray else part for part in key])]
    except (IndexError, RuntimeError):
        pass
    return _get(tensor, key)


def put(array: ndarray, key: Any, value: Any) -> None:
    """`array[key] = value`, in place and cast as NumPy does. Errors: IndexError; ValueError (shape, read-only)."""
    target = writable(array._tensor)
    if _simple_write(target, key, value):
        return
    if _refused_by_vmap(target, key, value):
        array._tensor = lifted(target, tensor_of(value))
        _put(array._tensor, key, value)


def _refused_by_vmap(target: Tensor, key: Any, value: Any) -> bool:
    """Write, unless the value differs between vmap's examples and the target does not."""
    try:
        _put(target, key, value)
    except RuntimeError as error:
        if not needs_lifting(error):
            raise
        return True
    return False


def _put(target: Tensor, key: Any, value: Any) -> None:
    new = _value(value, target)
    signed = _SIGNED.get(target.dtype)
    if signed is not None:  # torch writes no unsigned words
        _put(target.view(signed), key, wrap(new.view(signed)))
        return
    parts, advanced = _parse(target, key)
    if len(parts) == 1 and isinstance(parts[0], Tensor) and parts[0].dtype is torch.bool and new.dim() == 0:
        mask = parts[0]
        _check_mask(target, mask, 0)
        if mask.numel():
            target.masked_fill_(mask.reshape(tuple(mask.shape) + (1,) * (target.dim() - mask.dim())), new)
        return
    view, flips, spots = _basic(target, parts, advanced)
    if not advanced:
        new = _fitted(new, tuple(view.shape))
        view.copy_(_flip(new, flips) if flips else new)
        return
    if flips:
        places = _get(torch.arange(target.numel(), device=target.device).reshape(target.shape), key)
        spots, view = list(torch.unravel_index(places, target.shape)), target
        new = _fitted(new, tuple(places.shape))
    else:
        meta = torch.empty((1,), device=target.device, dtype=torch.bool).expand(view.shape)
        new = _fitted(new, tuple(_index(meta, spots).shape))
    torch.ops.aten.index_put_(view, spots, new)


def _simple_write(target: Tensor, key: Any, value: Any) -> bool:
    """Write as torch does where that is what NumPy means: floats or the same dtype, and an index of one kind."""
    kind = type(value)
    if kind is ndarray:
        value = value._tensor
        if value.dtype is not target.dtype:
            return False
    elif not (kind is float or kind is int) or not target.dtype.is_floating_point:
        return False
    kind = type(key)
    if kind is ndarray and _direct(key, target):
        key = key._tensor
    elif kind is tuple:
        if not _plain(key):
            return False
    elif kind is not int and not (kind is slice and _plain((key,))):
        return False
    try:
        target[key] = value
    except (IndexError, RuntimeError, TypeError):
        return False  # told in NumPy's words by the general way
    return True


_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def _flip(tensor: Tensor, axes: list[int]) -> Tensor:
    signed = _SIGNED.get(tensor.dtype)  # torch flips no unsigned words
    return tensor.flip(axes) if signed is None else tensor.view(signed).flip(axes).view(tensor.dtype)


def _direct(key: ndarray, tensor: Tensor) -> bool:
    """Whether an index array means the same to torch (bytes are masks there) and its bounds are checked there."""
    index = key._tensor
    return (index.dtype is torch.int64 or index.dtype is torch.bool) and index.dim() > 0 and tensor.numel() > 0


def _one_array(key: tuple[Any, ...], tensor: Tensor) -> bool:
    """Whether the key is slices and one array: then torch puts the array's axes where NumPy does."""
    arrays = [part for part in key if type(part) is ndarray]
    rest = tuple([part for part in key if type(part) is not ndarray])
    return len(arrays) == 1 and _direct(arrays[0], tensor) and all(type(r) is slice for r in rest) and _plain(rest)


def _plain(key: tuple[Any, ...]) -> bool:
    for part in key:
        kind = type(part)
        if kind is slice:
            if part.step is not None and (type(part.step) is not int or part.step <= 0):
                return False
            if type(part.start) not in (int, type(None)) or type(part.stop) not in (int, type(None)):
                return False
        elif kind not in _SIMPLE:
            return False
    return True


def _clean(part: slice) -> slice:
    """A slice with arrays or NumPy's integers for bounds as one of plain integers."""
    return slice(
        *(None if n is None else n if type(n) is int else n.__index__() for n in (part.start, part.stop, part.step))
    )


def _value(value: Any, target: Tensor) -> Tensor:
    if type(value) is int and target.dtype in _INTEGER and not _INTEGER[target.dtype](value):
        raise OverflowError(f"Python integer {value} out of bounds for {str(target.dtype)[6:]}")
    if type(value) is float and target.dtype in _INTEGER and not math.isfinite(value):
        what = "float NaN" if math.isnan(value) else "float infinity"
        raise (ValueError if math.isnan(value) else OverflowError)(f"cannot convert {what} to integer")
    if type(value) in (int, float, bool):
        return torch.full((), value, dtype=target.dtype, device=target.device)
    if isinstance(value, (str, bytes)) and target.dtype in TO_NUMPY:
        value = numpy.array(value).astype(TO_NUMPY[target.dtype])  # "3" is 3
    new = tensor_of(value, target.device)
    if new.device != target.device and new.dim():
        errors.check_devices([target, new])
    if new.dtype.is_complex and not target.dtype.is_complex:
        new = new.real
    return new.to(dtype=target.dtype, device=target.device)


def _within(low: int, high: int) -> Any:
    return lambda number: low <= number <= high


_INTEGER = {
    getattr(torch, name): _within(int(numpy.iinfo(name).min), int(numpy.iinfo(name).max))
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
}


def _fitted(new: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The value broadcast to the shape that it is assigned to."""
    told = tuple(new.shape)
    while new.dim() > len(shape) and new.shape[0] == 1:
        new = new[0]
    try:
        return new.expand(shape)
    except RuntimeError:
        text = f"could not broadcast input array from shape {told} into shape {shape}"
        raise ValueError(text.replace(", ", ",") if len(told) > 1 else text) from None


def _get(tensor: Tensor, key: Any) -> Tensor:
    parts, advanced = _parse(tensor, key)
    view, flips, spots = _basic(tensor, parts, advanced)
    if flips:
        view = _flip(view, flips)
    if advanced:
        return _index(view, spots)
    if view.dim() == 0 and not any(part is Ellipsis for part in parts):
        return view.clone()
    return view


def _index(tensor: Tensor, spots: list[Tensor | None]) -> Tensor:
    if tensor.numel() == 0:  # torch checks no bounds where nothing is read
        bad = _bad_fancy(tensor, spots)
        if bad is not None:
            raise bad
    try:
        return torch.ops.aten.index(tensor, spots)
    except (IndexError, RuntimeError) as error:
        raise _bad_fancy(tensor, spots) or error from None


def _parse(tensor: Tensor, key: Any) -> tuple[list[Any], bool]:
    """The parts of a key, arrays made tensors; and whether any of them is advanced."""
    parts = [_part(part, tensor) for part in (key if type(key) is tuple else (key,))]
    advanced = any(isinstance(part, Tensor) for part in parts)
    used = sum(_width(part) for part in parts)
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > tensor.dim():
        raise IndexError(f"too many indices for array: array is {tensor.dim()}-dimensional, but {used} were indexed")
    return parts, advanced


def _part(part: Any, tensor: Tensor) -> Any:
    kind = type(part)
    if kind in _SIMPLE:
        return part
    if kind is slice:
        return _clean(part)
    if kind is bool or kind is numpy.bool_:
        return torch.tensor(bool(part), device=tensor.device)
    if not isinstance(part, (ndarray, Tensor, list, numpy.ndarray)) and hasattr(part, "__index__"):
        return part.__index__()
    if isinstance(part, (list, tuple)) and len(part) == 0:
        return torch.zeros((0,), dtype=torch.int64, device=tensor.device)
    if kind is not ndarray and not isinstance(part, (Tensor, numpy.ndarray)) and _is_sequence(part):
        part = list(part)
    if not isinstance(part, (ndarray, Tensor, list, tuple, numpy.ndarray)):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are "
            f"valid indices, not {kind.__name__}"
        )
    index = tensor_of(part, device_of((part,)) or tensor.device)
    if index.dtype.is_floating_point or index.dtype.is_complex:
        raise IndexError(f"arrays used as indices must be of integer (or boolean) type, not {str(index.dtype)[6:]}")
    index = index.to(tensor.device)
    return index if index.dtype is torch.bool else index.to(torch.int64)


def _is_sequence(part: Any) -> bool:
    """Such as a range: NumPy reads it as an array."""
    return isinstance(part, Sequence) and not isinstance(part, (str, bytes, list, tuple))


def _width(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.dim() if isinstance(part, Tensor) and part.dtype is torch.bool else 1


def _basic(tensor: Tensor, parts: list[Any], advanced: bool) -> tuple[Tensor, list[int], list[Tensor | None]]:
    """Apply the basic parts. Returns the view, the axes of it still to flip, and one index (or None) per axis of it."""
    used = sum(_width(part) for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts = [*parts, Ellipsis]
    key: list[Any] = []
    flips: list[int] = []
    spots: list[Tensor | None] = []
    axis = 0
    gap = 0  # where an Ellipsis of no width stands
    for part in parts:
        if part is Ellipsis:
            count = tensor.dim() - used
            gap = 0 if count else len(spots)
            key += [slice(None)] * count
            spots += [None] * count
            axis += count
        elif part is None:
            key.append(None)
            spots.append(None)
        elif type(part) is slice:
            forward, flipped = _forward(part, tensor.shape[axis])
            flips += [len(spots)] if flipped else []
            key.append(forward)
            spots.append(None)
            axis += 1
        elif type(part) is int:
            if not -tensor.shape[axis] <= part < tensor.shape[axis]:
                raise _out_of_bounds(part, axis, tensor.shape[axis])
            key.append(slice(None) if advanced else part)
            spots += [torch.tensor(part, device=tensor.device)] if advanced else []
            axis += 1
        elif part.dtype is torch.bool and part.dim() == 0:
            key.append(None)
            spots.append(torch.zeros((int(part),), dtype=torch.int64, device=tensor.device))
        elif part.dtype is torch.bool:
            _check_mask(tensor, part, axis)
            key += [slice(None)] * part.dim()
            spots += list(part.nonzero(as_tuple=True))
            axis += part.dim()
        else:
            key.append(slice(None))
            spots.append(part)
            axis += 1
    view = tensor[tuple(key)] if any(part != slice(None) for part in key) else tensor
    before, after = ([spot for spot in side if spot is not None] for side in (spots[:gap], spots[gap:]))
    if before and after:  # it parts index arrays as any other Ellipsis does: the axes that they give come first
        order = sorted(range(len(spots)), key=lambda place: spots[place] is None)
        view, flips, spots = view.permute(order), [order.index(i) for i in flips], [spots[i] for i in order]
    return view, flips, spots


def _forward(part: slice, size: int) -> tuple[slice, bool]:
    """A slice with a positive step over the same elements, and whether it has to be flipped."""
    start, stop, step = part.indices(size)
    if step > 0:
        return part, False
    count = len(range(start, stop, step))
    if count == 0:
        return slice(0, 0), False
    return slice(start + (count - 1) * step, start + 1, -step), True


def _check_mask(tensor: Tensor, mask: Tensor, axis: int) -> None:
    if mask.dim() > tensor.dim():
        raise IndexError(
            f"too many indices for array: array is {tensor.dim()}-dimensional, but {mask.dim()} were indexed"
        )
    for offset, size in enumerate(mask.shape):
        have = tensor.shape[axis + offset]
        if size != have and size:  # NumPy takes an empty mask for any axis
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis + offset}; "
                f"size of axis is {have} but size of corresponding boolean axis is {size}"
            )


def _out_of_bounds(index: int, axis: int, size: int) -> IndexError:
    return IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")


def _bad_integer(tensor: Tensor, key: int) -> IndexError:
    if tensor.dim() == 0:
        return IndexError("too many indices for array: array is 0-dimensional, but 1 were indexed")
    return _out_of_bounds(key, 0, tensor.shape[0])


def _bad_fancy(tensor: Tensor, spots: list[Tensor | None]) -> IndexError | None:
    shapes = [tuple(s.shape) for s in spots if s is not None]
    try:
        picked = numpy.broadcast_shapes(*shapes)
    except ValueError:
        told = " ".join(str(shape).replace(" ", "") for shape in shapes)
        return IndexError(f"shape mismatch: indexing arrays could not be broadcast together with shapes {told}")
    for axis, spot in enumerate(spots):
        if spot is not None and spot.numel() and (0 not in picked or spot.dim() == 0):  # NumPy checks what it picks
            size = tensor.shape[axis]
            for index in (int(spot.min()), int(spot.max())):
                if not -size <= index < size:
                    return _out_of_bounds(index, axis, size)
    return None
