"""Sorting, searching, selecting and sets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors, indexing
from dlengine.numpy.core import ndarray, tensor_of, wrap, writable, write
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import NATIVE, Tensors, native, register, same_dtype


def _axis(a: Tensor, axis: Any) -> tuple[Tensor, int]:
    return (a.reshape(-1), 0) if axis is None else (a, errors.normal_axis(axis, a.dim()))


def _complex_order(x: Tensor, dim: int) -> Tensor:
    """The order of complex numbers: by real part, then by imaginary part."""
    by_imaginary = torch.argsort(x.imag, dim=dim, stable=True)
    by_real = torch.argsort(x.real.gather(dim, by_imaginary), dim=dim, stable=True)
    return by_imaginary.gather(dim, by_real)


@native
def sort(
    a: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True, descending: bool = False
) -> Tensor:
    x, dim = _axis(a, axis)
    if x.is_complex():
        found = x.gather(dim, _complex_order(x, dim))
        return found.flip(dim) if descending else found
    return torch.sort(x, dim=dim, stable=True, descending=descending).values


@native
def argsort(
    a: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = True, descending: bool = False
) -> Tensor:
    x, dim = _axis(a.reshape(1) if a.dim() == 0 and axis == -1 else a, axis)
    if x.is_complex():
        found = _complex_order(x, dim)
        return found.flip(dim) if descending else found
    found = torch.argsort(x, dim=dim, stable=True, descending=descending)
    return found.reshape(()) if a.dim() == 0 and axis is not None else found


@native
def partition(a: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Tensor:
    _check_kth(a, kth, axis)
    return torch.sort(*_axis(a, axis)).values


@native
def argpartition(a: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Tensor:
    _check_kth(a, kth, axis)
    x, dim = _axis(a, axis)
    return torch.argsort(x, dim=dim, stable=True)


def _check_kth(a: Tensor, kth: Any, axis: Any) -> None:
    x, dim = _axis(a, axis)
    for k in tensor_of(kth).reshape(-1).tolist():
        if not -x.shape[dim] <= k < x.shape[dim]:
            raise ValueError(f"kth(={k}) out of bounds ({x.shape[dim]})")


@native
def sort_complex(a: Tensor) -> Tensor:
    kind = (
        torch.complex64 if a.dtype in (torch.float16, torch.float32, torch.int8, torch.int16, torch.uint8) else a.dtype
    )
    x = a.to(kind if kind.is_complex else torch.complex128)
    return x.gather(-1, _complex_order(x, x.dim() - 1))


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
    falling = bool((bins.diff() <= 0).all()) and bins.numel() > 1 and not bool((bins.diff() == 0).all())
    if not falling and bool((bins.diff() < 0).any()):
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


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Elements of x where the condition holds, else of y; with the condition alone, its nonzero()."""
    if type(condition) is type(x) is type(y) is ndarray and x._tensor.dtype is y._tensor.dtype:
        mask = condition._tensor
        if mask.dtype is torch.bool and mask.shape == x._tensor.shape == y._tensor.shape:
            return wrap(torch.where(mask, x._tensor, y._tensor))
    if x is None and y is None:
        return NATIVE["nonzero"](condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return _choose_where(condition, x, y)


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
    made = (array._tensor.to(kind), torch.tensor(number, dtype=kind, device=array._tensor.device))
    return made if array is left else (made[1], made[0])


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
    result = wrap(a)
    if low is not None:
        result = NATIVE["maximum"](result, low)
    if high is not None:
        result = NATIVE["minimum"](result, high)
    value = result._tensor.clone() if low is None and high is None else result._tensor
    return value if out is None else write(out, value)


@native
def take(a: Tensor, indices: Tensor, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x, dim = _axis(a, axis)
    places = _wrapped(indices, x.shape[dim], mode)
    picked = x.index_select(dim, places.reshape(-1))
    value = picked.reshape((*x.shape[:dim], *places.shape, *x.shape[dim + 1 :]))
    return value if out is None else write(out, value, "unsafe")


def _wrapped(indices: Tensor, size: int, mode: str) -> Tensor:
    if is_inexact(indices.dtype) and indices.numel():
        raise TypeError(f"Cannot cast array data from {str(indices.dtype)[6:]} to int64 according to the rule 'safe'")
    places = indices.to(torch.int64)
    if mode == "wrap":
        return places.remainder(size)
    if mode == "clip":
        return places.clamp(0, size - 1)
    bad = (places < -size) | (places >= size)
    if bool(bad.any()):
        raise IndexError(f"index {int(places[bad][0])} is out of bounds for axis 0 with size {size}")
    return torch.where(places < 0, places + size, places)


@native
def take_along_axis(arr: Tensor, indices: Tensor, axis: Any = -1) -> Tensor:
    x, dim = _axis(arr, axis)
    places = indices.to(torch.int64)
    if places.dim() != x.dim():
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    places = _wrapped(places, x.shape[dim], "raise")
    shape = errors.broadcast(
        tuple(1 if i == dim else n for i, n in enumerate(x.shape)),
        tuple(1 if i == dim else n for i, n in enumerate(places.shape)),
    )
    grown = x.expand([x.shape[dim] if i == dim else n for i, n in enumerate(shape)])
    return torch.gather(grown, dim, places.expand([places.shape[dim] if i == dim else n for i, n in enumerate(shape)]))


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """Write values at the indices along an axis, in place."""
    target = writable(tensor_of(arr))
    x, dim = _axis(target, axis)
    places = tensor_of(indices, x.device).to(torch.int64).remainder(max(x.shape[dim], 1))
    new = tensor_of(values, x.device).to(x.dtype).expand(places.shape)
    x.scatter_(dim, places, new)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write values at flat positions, in place; values repeat when they are fewer."""
    target = writable(tensor_of(a))
    places = _wrapped(tensor_of(ind, target.device), target.numel(), mode).reshape(-1)
    new = tensor_of(v, target.device).reshape(-1).to(target.dtype)
    if places.numel() and new.numel():
        repeated = new.repeat(-(-places.numel() // new.numel()))[: places.numel()]
        target.index_put_(torch.unravel_index(places, target.shape), repeated)


def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write values (repeated to the size of `a`) where the mask holds, in place."""
    target = writable(tensor_of(a))
    new = tensor_of(values, target.device).reshape(-1).to(target.dtype)
    repeated = new.repeat(-(-target.numel() // max(new.numel(), 1)))[: target.numel()].reshape(target.shape)
    target.copy_(torch.where(tensor_of(mask, target.device).to(torch.bool), repeated, target))


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the first values, one after the other, where the mask holds, in place."""
    target = writable(tensor_of(arr))
    chosen = tensor_of(mask, target.device).to(torch.bool).expand(target.shape)
    new = tensor_of(vals, target.device).reshape(-1).to(target.dtype)
    count = int(chosen.sum())
    if count:
        target[chosen] = new.repeat(-(-count // new.numel()))[:count]


register(put_along_axis, put, putmask, place)


@native
def choose(a: Tensor, choices: Tensors, out: Any = None, mode: str = "raise") -> Any:
    parts = torch.broadcast_tensors(*same_dtype(*choices))
    which = _wrapped(a, len(parts), mode) if mode != "raise" or not bool((a < 0).any()) else None
    if which is None:
        raise ValueError("invalid entry in choice array")
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
    x, dim = _axis(a, axis)
    places = condition.to(torch.bool).nonzero().reshape(-1)
    value = x.index_select(dim, places)
    return value if out is None else write(out, value)


@native
def extract(condition: Tensor, arr: Tensor) -> Tensor:
    return arr.reshape(-1)[condition.reshape(-1).to(torch.bool).nonzero().reshape(-1)]


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
    order = _complex_order(flat, 0) if flat.is_complex() else torch.argsort(flat, stable=True)
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


@native
def isin(
    element: Tensor, test_elements: Tensor, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Tensor:
    left, right = same_dtype(element, test_elements)
    if left.dtype is torch.bool:
        left, right = left.to(torch.uint8), right.to(torch.uint8)
    return torch.isin(left, right, invert=invert)


@native
def intersect1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False, return_indices: bool = False) -> Any:
    left, right = same_dtype(ar1.reshape(-1), ar2.reshape(-1))
    values, first, _, _ = _unique(left, True)
    other, second, _, _ = _unique(right, True)
    common = torch.isin(values, other)
    if not return_indices:
        return values[common]
    return values[common], first[common], second[torch.isin(other, values)]


@native
def union1d(ar1: Tensor, ar2: Tensor) -> Tensor:
    return _unique(torch.cat(same_dtype(ar1.reshape(-1), ar2.reshape(-1))), True)[0]


@native
def setdiff1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False) -> Tensor:
    values = ar1.reshape(-1) if assume_unique else _unique(ar1, True)[0]
    left, right = same_dtype(values, ar2.reshape(-1))
    return values[~torch.isin(left, right)]


@native
def setxor1d(ar1: Tensor, ar2: Tensor, assume_unique: bool = False) -> Tensor:
    left, right = same_dtype(ar1.reshape(-1), ar2.reshape(-1))
    a, b = _unique(left, True)[0], _unique(right, True)[0]
    return _unique(torch.cat([a[~torch.isin(a, b)], b[~torch.isin(b, a)]]), True)[0]


@native
def delete(arr: Tensor, obj: Any, axis: Any = None) -> Tensor:
    x, dim = _axis(arr, axis)
    keep = torch.ones(x.shape[dim], dtype=torch.bool, device=x.device)
    indexing.put(wrap(keep), obj, False)
    return x.index_select(dim, keep.nonzero().reshape(-1))


@native
def insert(arr: Tensor, obj: Any, values: Tensor, axis: Any = None) -> Tensor:
    x, dim = _axis(arr, axis)
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
        result = result * size + _wrapped(index, size, how)
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
    return (wrap(torch.arange(n)),) * ndim


def diag_indices_from(arr: Any) -> Any:
    array = wrap(tensor_of(arr))
    if array.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(array.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(array.shape[0], array.ndim)


def mask_indices(n: int, mask_func: Any, k: Any = 0) -> Any:
    return NATIVE["nonzero"](mask_func(wrap(torch.ones(n, n, dtype=torch.int64)), k) != 0)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> Any:
    return NATIVE["nonzero"](wrap(torch.ones(n, n if m is None else m).tril(k)))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> Any:
    return NATIVE["nonzero"](wrap(torch.ones(n, n if m is None else m).triu(k)))


def tril_indices_from(arr: Any, k: int = 0) -> Any:
    return tril_indices(arr.shape[-2], k, arr.shape[-1])


def triu_indices_from(arr: Any, k: int = 0) -> Any:
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
