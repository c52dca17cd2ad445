"""Elements chosen by conditions and by places, read and written."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.compiler import is_compiling

from dlengine.numpy import errors, fallback, indexing
from dlengine.numpy.core import ndarray, tensor_of, wrap, writable, write
from dlengine.numpy.dtypes import NoTensor, is_inexact
from dlengine.numpy.native import NATIVE, Tensors, native, register, same_dtype
from dlengine.numpy.table_sorting import along
from dlengine.numpy.ufunc import LIMITS


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Elements of x where the condition holds, else of y; with the condition alone, its nonzero()."""
    if type(condition) is type(x) is ndarray and condition._tensor.dtype is torch.bool:
        left, right = x._tensor, y._tensor if type(y) is ndarray else y
        if type(right) is float or type(right) is int:
            usual = left.dtype.is_floating_point
        else:
            usual = type(y) is ndarray and right.dtype is left.dtype
        if usual:
            try:
                return wrap(torch.where(condition._tensor, left, right))
            except RuntimeError:  # shapes that do not broadcast, or a number too large: told below
                pass
    if x is None and y is None:
        return NATIVE["nonzero"](condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    try:
        return _choose_where(condition, x, y)
    except NoTensor as error:
        return fallback.foreign("where", error, (condition, x, y), {})


@native
def _choose_where(condition: Tensor, x: Any, y: Any) -> Tensor:
    left, right = numbers_fitted(x, y, condition.device)
    errors.broadcast(tuple(condition.shape), tuple(left.shape), tuple(right.shape))
    return torch.where(condition.to(torch.bool), left, right)


register(where)


del NATIVE["_choose_where"]


def numbers_fitted(x: Any, y: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two operands in the dtype that NumPy gives them, Python's numbers being weak."""
    if type(x) in (int, float, complex) and type(y) in (int, float, complex):
        return tuple(same_dtype(tensor_of(x, device), tensor_of(y, device)))  # type: ignore[return-value]
    left = x if type(x) in (int, float, complex) else wrap(tensor_of(x, device))
    right = y if type(y) in (int, float, complex) else wrap(tensor_of(y, device))
    if isinstance(left, ndarray) and isinstance(right, ndarray):
        return tuple(same_dtype(left._tensor, right._tensor))  # type: ignore[return-value]
    array, number = (left, right) if isinstance(left, ndarray) else (right, left)
    kind = _weak_result(array._tensor.dtype, number)
    made = (array._tensor.to(kind), _wrapped(number, kind).to(array._tensor.device))
    return made if array is left else (made[1], made[0])


def _wrapped(number: Any, kind: torch.dtype) -> Tensor:
    """The number in the dtype; an integer beyond it wraps around here, as in NumPy."""
    if type(number) is int and kind in LIMITS and not LIMITS[kind][0] <= number <= LIMITS[kind][1]:
        number = (number - LIMITS[kind][0]) % (LIMITS[kind][1] - LIMITS[kind][0] + 1) + LIMITS[kind][0]
    return torch.tensor(number, dtype=kind)


def _weak_result(dtype: torch.dtype, number: Any) -> torch.dtype:
    from dlengine.numpy.dtypes import TO_NUMPY, TO_TORCH, narrowed

    if dtype not in TO_NUMPY:
        return dtype
    return narrowed(TO_TORCH[numpy.result_type(TO_NUMPY[dtype], number)], (dtype,))


@native
def clip(
    a: Tensor, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **kwargs: Any
) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if out is None and a.dtype.is_floating_point and {type(low), type(high)} <= _PLAIN and (low, high) != (None, None):
        return torch.clamp(a, low, high)
    if not is_inexact(a.dtype) and a.dtype is not torch.bool:  # bounds beyond the dtype bound nothing
        limits = torch.iinfo(a.dtype)
        low = None if type(low) is int and low < limits.min else low
        high = None if type(high) is int and high > limits.max else high
    result = wrap(a)
    if low is not None:
        result = NATIVE["maximum"](result, low)
    if high is not None:
        result = NATIVE["minimum"](result, high)
    value = (NATIVE["positive"](result) if low is None and high is None else result)._tensor
    return value if out is None else write(out, value)


_PLAIN = frozenset({int, float, type(None)})


@native
def take(a: Tensor, indices: Tensor, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x, dim = along(a if a.dim() else a.reshape(1), axis)
    value = _taken(x, dim, indices) if mode == "raise" and indices.dim() == 1 else None
    if value is None:
        rest = (*x.shape[:dim], *x.shape[dim + 1 :])
        if 0 in rest:  # nothing is read, so nothing is out of bounds
            return x.new_empty((*x.shape[:dim], *indices.shape, *x.shape[dim + 1 :]))
        places = places_of(indices, x.shape[dim], mode)
        picked = x.index_select(dim, places.reshape(-1))
        value = picked.reshape((*x.shape[:dim], *places.shape, *x.shape[dim + 1 :]))
    return value if out is None else write(out, value, "unsafe")


def _taken(x: Tensor, dim: int, places: Tensor) -> Tensor | None:
    """The elements at places that are all within bounds and not negative, as far as torch checks them."""
    if not x.is_cpu or places.dtype is not torch.int64 or is_compiling():
        return None
    try:
        return x.index_select(dim, places)
    except (IndexError, RuntimeError):
        return None


def places_of(indices: Tensor, size: int, mode: str) -> Tensor:
    if is_inexact(indices.dtype) and indices.numel():
        raise TypeError(f"Cannot cast array data from {str(indices.dtype)[6:]} to int64 according to the rule 'safe'")
    places = indices.to(torch.int64)
    if size == 0 and places.numel():
        raise IndexError("cannot do a non-empty take from an empty axes.")
    if mode == "wrap":
        return places.remainder(size)
    if mode == "clip":
        return places.clamp(0, size - 1)
    bad = (places < -size) | (places >= size)
    if not is_compiling() and bool(bad.any()):
        raise IndexError(f"index {int(places[bad][0])} is out of bounds for axis 0 with size {size}")
    return torch.where(places < 0, places + size, places)


@native
def take_along_axis(arr: Tensor, indices: Tensor, axis: Any = -1) -> Tensor:
    x, dim = along(arr, axis)
    if indices.dim() != x.dim():
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    rest = [(n, m) for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != dim]
    if all(n == m for n, m in rest) and x.is_cpu and indices.dtype is torch.int64 and not is_compiling():
        with contextlib.suppress(RuntimeError):  # an index out of bounds, or a negative one
            return torch.gather(x, dim, indices)
    places = places_of(indices.to(torch.int64), x.shape[dim], "raise")
    shape = errors.broadcast(
        tuple(1 if i == dim else n for i, n in enumerate(x.shape)),
        tuple(1 if i == dim else n for i, n in enumerate(places.shape)),
    )
    grown = x.expand([x.shape[dim] if i == dim else n for i, n in enumerate(shape)])
    return torch.gather(grown, dim, places.expand([places.shape[dim] if i == dim else n for i, n in enumerate(shape)]))


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """Write values at the indices along an axis, in place."""
    target = writable(tensor_of(arr))
    x, dim = along(target, axis)
    places = tensor_of(indices, x.device).to(torch.int64).remainder(max(x.shape[dim], 1))
    new = tensor_of(values, x.device).to(x.dtype).expand(places.shape)
    x.scatter_(dim, places, new)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write values at flat positions, in place; values repeat when they are fewer."""
    target = writable(tensor_of(a))
    places = places_of(tensor_of(ind, target.device), target.numel(), mode).reshape(-1)
    new = tensor_of(v, target.device).reshape(-1).to(target.dtype)
    if places.numel() and new.numel():
        repeated = new.repeat(-(-places.numel() // new.numel()))[: places.numel()]
        target.index_put_(torch.unravel_index(places, target.shape), repeated)


def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write values (repeated to the size of `a`) where the mask holds, in place."""
    target = writable(tensor_of(a))
    held = tensor_of(mask, target.device)
    if held.numel() != target.numel():
        told = f"shapes {tuple(held.shape)} and {tuple(target.shape)}"
        raise ValueError(f"putmask: mask and data must be the same size, not of {told}")
    new = tensor_of(values, target.device).reshape(-1).to(target.dtype)
    repeated = new.repeat(-(-target.numel() // max(new.numel(), 1)))[: target.numel()].reshape(target.shape)
    target.copy_(torch.where(held.to(torch.bool).reshape(target.shape), repeated, target))


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the first values, one after the other, where the mask holds, in place."""
    target = writable(tensor_of(arr))
    chosen = tensor_of(mask, target.device).to(torch.bool).expand(target.shape)
    new = tensor_of(vals, target.device).reshape(-1).to(target.dtype)
    count = int(chosen.sum())
    if count and not new.numel():
        raise ValueError("Cannot insert from an empty array!")
    if count:
        target[chosen] = new.repeat(-(-count // new.numel()))[:count]


register(put_along_axis, put, putmask, place)


@native
def choose(a: Tensor, choices: Tensors, out: Any = None, mode: str = "raise") -> Any:
    parts = torch.broadcast_tensors(*same_dtype(*choices))
    if mode == "raise" and bool(((a < 0) | (a >= len(parts))).any()):
        raise ValueError("invalid entry in choice array")
    which = places_of(a, len(parts), mode)
    shape = errors.broadcast(tuple(which.shape), tuple(parts[0].shape))
    stacked = torch.stack([p.expand(shape) for p in parts])
    value = stacked.gather(0, which.expand(shape).unsqueeze(0)).squeeze(0)
    return value if out is None else write(out, value)


@native
def select(condlist: Tensors, choicelist: Tensors, default: Any = 0) -> Tensor:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    result = tensor_of(default, condlist[0].device)
    parts = [*choicelist, result]
    kind = (
        same_dtype(*choicelist)[0].dtype
        if type(default) in (int, float) and default == 0
        else same_dtype(*parts)[0].dtype
    )
    shape = errors.broadcast(*[tuple(t.shape) for t in (*condlist, *parts)])
    value = result.to(kind).expand(shape)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        value = torch.where(condition, choice.to(kind), value)
    return value


@native
def piecewise(x: Tensor, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Tensor:
    conditions = [
        tensor_of(c, x.device).to(torch.bool) for c in (condlist if isinstance(condlist, (list, tuple)) else [condlist])
    ]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~torch.stack(list(torch.broadcast_tensors(*conditions))).any(0))
    elif len(funclist) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are "
            "expected"
        )
    value = torch.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        made = function(wrap(x), *args, **kw) if callable(function) else function
        value = torch.where(condition, tensor_of(made, x.device).to(x.dtype), value)
    return value


@native
def compress(condition: Tensor, a: Tensor, axis: Any = None, out: Any = None) -> Any:
    x, dim = along(a, axis)
    places = condition.to(torch.bool).nonzero().reshape(-1)
    value = x.index_select(dim, places)
    return value if out is None else write(out, value)


@native
def extract(condition: Tensor, arr: Tensor) -> Tensor:
    return arr.reshape(-1)[condition.reshape(-1).to(torch.bool).nonzero().reshape(-1)]


@native
def delete(arr: Tensor, obj: Any, axis: Any = None) -> Tensor:
    x, dim = along(arr, axis)
    keep = torch.ones(x.shape[dim], dtype=torch.bool, device=x.device)
    indexing.put(wrap(keep), obj, False)
    return x.index_select(dim, keep.nonzero().reshape(-1))


@native
def insert(arr: Tensor, obj: Any, values: Tensor, axis: Any = None) -> Tensor:
    x, dim = along(arr, axis)
    size = x.shape[dim]
    single = isinstance(obj, int) or (not isinstance(obj, slice) and getattr(obj, "ndim", 1) == 0)
    where_ = (
        torch.arange(size, device=x.device)[obj] if isinstance(obj, slice) else tensor_of(obj, x.device).reshape(-1)
    )
    where_ = where_.nonzero().reshape(-1) if where_.dtype is torch.bool else where_.to(torch.int64)
    bad = (where_ < -size) | (where_ > size)
    if bool(bad.any()):
        raise IndexError(f"index {int(where_[bad][0])} is out of bounds for axis {dim} with size {size}")
    where_ = torch.where(where_ < 0, where_ + size, where_)
    new = values.to(x.dtype)
    if single and new.dim():
        new = new.reshape((1,) * (x.dim() - new.dim()) + tuple(new.shape)) if new.dim() < x.dim() else new
        new = new.movedim(0, dim) if values.dim() < x.dim() and x.dim() > 1 and new.shape[dim] != 1 else new
    count = new.shape[dim] if single and new.dim() == x.dim() else where_.numel()
    where_ = where_.expand(count) if where_.numel() == 1 else where_
    goal = [count if i == dim else n for i, n in enumerate(x.shape)]
    order = torch.argsort(torch.cat([where_ * 2, torch.arange(size, device=x.device) * 2 + 1]), stable=True)
    return torch.cat([new.expand(goal), x], dim).index_select(dim, order)
