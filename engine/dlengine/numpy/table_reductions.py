"""Reductions and scans: axis, keepdims, dtype, initial and where as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors, fallback
from dlengine.numpy.core import ndarray, tensor_of, wrap, write
from dlengine.numpy.dtypes import COMPLEX_OF, TO_NUMPY, NoTensor, default_float, is_inexact, torch_dtype
from dlengine.numpy.native import NATIVE, Dtype, alias, native

_NO = numpy._NoValue
Core = Callable[[Tensor, tuple[int, ...], bool], Tensor]
_ACCUMULATOR = {
    torch.bool: torch.int64, torch.int8: torch.int64, torch.int16: torch.int64, torch.int32: torch.int64,
    torch.uint8: torch.uint64, torch.uint16: torch.uint64, torch.uint32: torch.uint64,
}  # fmt: skip


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis + ndim if axis < 0 else axis,)
    if ndim == 0 and type(axis) is int and axis in (0, -1):
        return ()  # NumPy reduces a number along its absent axis
    return errors.normal_axes(axis, ndim)


def reduction(name: str, core: Core, neutral: Any, result: Callable[[Tensor, torch.dtype | None], Tensor]) -> None:
    """Register a reduction: `core` on a tensor, the axes and keepdims; `result` gives its input the right dtype.

    `neutral` (a number or a function of the dtype) fills where `where` is false; None means that there is none.
    """

    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
             initial: Any = _NO, where: Any = True) -> ndarray:  # fmt: skip
        try:
            tensor = a._tensor if type(a) is ndarray else tensor_of(a)
            tensor = result(tensor, None if dtype is None else torch_dtype(dtype))
        except NoTensor as error:
            kept = {} if keepdims is False else {"keepdims": keepdims}
            return fallback.foreign(name, error, (a,), {"axis": axis, "dtype": dtype, "out": out, **kept})
        axes = axes_of(axis, tensor.dim())
        if where is not True and where is not _NO:
            tensor = _masked(name, tensor, where, neutral, initial)
        if neutral is None and initial is not _NO:
            start = torch.as_tensor(initial, dtype=tensor.dtype, device=tensor.device)
            tensor = _with_initial(tensor, axes, start)
        try:
            value = core(tensor, axes, bool(keepdims)) if tensor.dim() else core(tensor.reshape(1), (0,), False)
        except (RuntimeError, IndexError) as error:
            options = {"dtype": TO_NUMPY.get(tensor.dtype)} if name in ("sum", "prod") else {}
            return errors.explain(name, error, (wrap(tensor), axes), {"keepdims": keepdims, **options})
        if neutral is not None and initial is not _NO:
            value = _OPERATORS[name](value, initial)
        return wrap(value) if out is None or out is _NO else write(out[0] if isinstance(out, tuple) else out, value)

    def without_dtype(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False,
                      initial: Any = _NO, where: Any = True) -> ndarray:  # fmt: skip
        return call(a, axis, None, out, keepdims, initial, where)

    made = call if name in ("sum", "prod") else without_dtype
    made.__name__ = made.__qualname__ = name
    made.__module__ = "dlengine.numpy"
    made.__doc__ = getattr(numpy, name).__doc__
    NATIVE[name] = made


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "sum": torch.add,
    "prod": torch.mul,
    "all": torch.logical_and,
    "any": torch.logical_or,
}


def _masked(name: str, tensor: Tensor, where: Any, neutral: Any, initial: Any) -> Tensor:
    if neutral is None and initial is _NO:
        raise ValueError(
            f"reduction operation '{name}imum' does not have an identity, so to use a where mask one has to specify "
            "'initial'"
        )
    fill = initial if neutral is None else neutral
    mask = tensor_of(where, tensor.device).to(torch.bool)
    return torch.where(mask, tensor, torch.as_tensor(fill, dtype=tensor.dtype, device=tensor.device))


def _with_initial(tensor: Tensor, axes: tuple[int, ...], start: Tensor) -> Tensor:
    if not axes:
        return tensor
    shape = [1 if i in axes else n for i, n in enumerate(tensor.shape)]
    whole = [n if i == axes[0] or i not in axes else tensor.shape[i] for i, n in enumerate(shape)]
    return torch.cat([tensor, start.expand(whole)], axes[0])


def _accumulating(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    goal = dtype or _ACCUMULATOR.get(tensor.dtype)
    return tensor if goal is None else tensor.to(goal)


def _as_is(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor


def _truth(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor if tensor.dtype is torch.bool else tensor.to(torch.bool)


def _sum(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if tensor.dtype is torch.uint64:  # torch adds no unsigned words; two's complement is the same
        return torch.sum(tensor.view(torch.int64), axes, keepdims).view(torch.uint64) if axes else tensor.clone()
    return torch.sum(tensor, axes, keepdims, dtype=tensor.dtype) if axes else tensor.clone()


def _prod(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if tensor.dtype is torch.uint64:
        return _prod(tensor.view(torch.int64), axes, keepdims).view(torch.uint64)
    for axis in sorted(axes, reverse=True):
        tensor = torch.prod(tensor, axis, keepdims, dtype=tensor.dtype)
    return tensor


def _extreme(function: Callable[..., Tensor], word: str) -> Core:
    def core(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
        if not axes:
            return tensor.clone()
        if tensor.numel() == 0 and any(tensor.shape[axis] == 0 for axis in axes):
            raise ValueError(f"zero-size array to reduction operation {word} which has no identity")
        return function(tensor, axes, keepdims)

    return core


def _all(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return torch.all(tensor, axes, keepdims) if axes else tensor.clone()


def _any(tensor: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return torch.any(tensor, axes, keepdims) if axes else tensor.clone()


_highest, _lowest = _extreme(torch.amax, "maximum"), _extreme(torch.amin, "minimum")
reduction("sum", _sum, 0, _accumulating)
reduction("prod", _prod, 1, _accumulating)
reduction("max", _highest, None, _as_is)
reduction("min", _lowest, None, _as_is)
reduction("all", _all, True, _truth)
reduction("any", _any, False, _truth)
alias(amax="max", amin="min")


def floating(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor, integers and booleans made floats of the default precision."""
    return tensor.to(dtype) if dtype else tensor if is_inexact(tensor.dtype) else tensor.to(default_float())


def counted(tensor: Tensor, axes: tuple[int, ...], keepdims: bool, where: Any) -> tuple[Tensor, Any]:
    """Elements outside `where` made zero, and how many there are along the axes."""
    if where is True or where is _NO:
        count: Any = 1
        for axis in axes:
            count *= tensor.shape[axis]
        return tensor, count
    mask = tensor_of(where, tensor.device).to(torch.bool).expand(tensor.shape)
    return torch.where(mask, tensor, tensor.new_zeros(())), _sum(mask.to(torch.int64), axes, keepdims)


_USUAL = frozenset({torch.float32, torch.float64})


@native
def mean(
    a: Tensor, axis: Any = None, dtype: Dtype = None, out: Any = None, keepdims: Any = False, where: Any = True
) -> Any:
    if type(axis) is int and dtype is out is None and where is True and a.dtype in _USUAL and a.dim():
        return torch.mean(a, axis, keepdims is True)
    x = floating(a, dtype)
    axes = errors.normal_axes(axis, x.dim())
    keepdims = bool(keepdims) and keepdims is not _NO
    if where is True and x.dtype is not torch.float16 and axes:
        value = torch.mean(x, axes, keepdims)
    else:
        kept, count = counted(x.float() if x.dtype is torch.float16 else x, axes, keepdims, where)
        value = (_sum(kept, axes, keepdims) / count).to(x.dtype)
    return value if out is None else write(out, value)


@native
def var(
    a: Tensor, axis: Any = None, dtype: Dtype = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    where: Any = True, mean: Any = _NO, correction: Any = _NO,
) -> Any:  # fmt: skip
    value = _variance(a, axis, dtype, correction if correction is not _NO else ddof, keepdims, where, mean)
    return value if out is None else write(out, value)


@native
def std(
    a: Tensor, axis: Any = None, dtype: Dtype = None, out: Any = None, ddof: Any = 0, keepdims: Any = False,
    where: Any = True, mean: Any = _NO, correction: Any = _NO,
) -> Any:  # fmt: skip
    value = _variance(a, axis, dtype, correction if correction is not _NO else ddof, keepdims, where, mean, root=True)
    return value if out is None else write(out, value)


def _variance(
    a: Tensor, axis: Any, dtype: Dtype, ddof: Any, keepdims: Any, where: Any, mean: Any, root: bool = False
) -> Tensor:
    if dtype is None and where is True and mean is _NO and a.dtype in _USUAL and a.dim():
        whole = axis is None or (type(axis) is int and -a.dim() <= axis < a.dim())
        if whole and (a.numel() if axis is None else a.shape[axis]) > ddof:
            return (torch.std if root else torch.var)(a, axis, correction=ddof, keepdim=keepdims is True)
    x = floating(a, dtype)
    kind = x.dtype
    x = x.float() if kind is torch.float16 else x
    axes = errors.normal_axes(axis, x.dim())
    keepdims = bool(keepdims) and keepdims is not _NO
    if where is True and mean is _NO and axes and counted(x, axes, False, True)[1] > ddof:
        value = (torch.std if root else torch.var)(x, axes, correction=ddof, keepdim=keepdims)
        return value.to(kind) if kind is torch.float16 else value
    kept, count = counted(x, axes, keepdims, where)
    wide_count = counted(x, axes, True, where)[1]
    centre = _sum(kept, axes, True) / wide_count if mean is _NO else tensor_of(mean)
    apart = kept - centre  # not x: a NaN that `where` leaves out would reach the gradient
    squares = (apart * apart.conj()).real if apart.is_complex() else apart * apart
    squares, _ = counted(squares, axes, keepdims, where)
    total = _sum(squares, axes, keepdims)
    left = count - ddof if not isinstance(count, Tensor) else torch.clamp(count - ddof, min=0)
    value = total / (max(left, 0) if not isinstance(left, Tensor) else left)
    value = root_of(value) if root else value
    return value if kind.is_complex else value.to(kind)


def root_of(value: Tensor) -> Tensor:
    """The square root, whose derivative at zero is zero, as torch.std's is."""
    if not fallback.followed(value):
        return torch.sqrt(value)
    flat = value == 0
    return torch.where(flat, value, torch.sqrt(torch.where(flat, 1.0, value)))


def _flat(a: Tensor, axis: Any) -> tuple[Tensor, int]:
    if a.dim() == 0:
        a = a.reshape(1)
    return (a.reshape(-1), 0) if axis is None else (a, errors.normal_axis(axis, a.dim()))


def scan(function: Callable[..., Any]) -> Callable[..., Any]:
    def core(a: Tensor, axis: Any = None, dtype: Dtype = None) -> Tensor:
        x, dim = _flat(_accumulating(a, dtype), axis)
        if x.dtype is torch.uint64:
            return function(x.view(torch.int64), dim).view(torch.uint64)
        return function(x, dim, dtype=x.dtype)

    return core


for _name, _scan in {"cumsum": torch.cumsum, "cumprod": torch.cumprod}.items():
    native(scan(_scan), name=_name)


def _with_first(values: Tensor, dim: int, first: int) -> Tensor:
    shape = [1 if i == dim else n for i, n in enumerate(values.shape)]
    return torch.cat([values.new_full(shape, first), values], dim)


def _standard_scan(a: Tensor, axis: Any, dtype: Dtype, include_initial: bool, first: int, function: Any) -> Tensor:
    if axis is None:
        if a.dim() > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    a = a.reshape(1) if a.dim() == 0 else a
    values = scan(function)(a, axis, dtype)
    return _with_first(values, errors.normal_axis(axis, a.dim()), first) if include_initial else values


@native
def cumulative_sum(x: Tensor, /, *, axis: Any = None, dtype: Dtype = None, include_initial: bool = False) -> Tensor:
    return _standard_scan(x, axis, dtype, include_initial, 0, torch.cumsum)


@native
def cumulative_prod(x: Tensor, /, *, axis: Any = None, dtype: Dtype = None, include_initial: bool = False) -> Tensor:
    return _standard_scan(x, axis, dtype, include_initial, 1, torch.cumprod)


def _arg(function: Callable[..., Tensor], word: str) -> Callable[..., Any]:
    def core(a: Tensor, axis: Any = None, keepdims: Any = False) -> Tensor:
        keepdims = bool(keepdims) and keepdims is not _NO
        x, dim = _flat(a, axis)
        if x.dim() == 0:
            x, dim = x.reshape(1), 0
        if x.shape[dim] == 0:
            raise ValueError(f"attempt to get {word} of an empty sequence")
        x = _ordered(x)
        found = function(x, dim, keepdims)
        return found.reshape((1,) * a.dim()) if keepdims and (axis is None or a.dim() == 0) else found

    return core


def _ordered(x: Tensor) -> Tensor:
    """The elements in a dtype that torch compares, in the same order."""
    if x.dtype is torch.uint64:
        return x.view(torch.int64) ^ torch.iinfo(torch.int64).min
    return x.to(_COMPARED[x.dtype]) if x.dtype in _COMPARED else x


_COMPARED = {torch.bool: torch.uint8, torch.uint16: torch.int32, torch.uint32: torch.int64}


for _name, _function in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
    native(_arg(_function, _name), name=_name)


@native
def count_nonzero(a: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    if axis is None and not keepdims:
        return torch.count_nonzero(a)
    axes = axes_of(axis, a.dim())
    return _sum((a != 0).to(torch.int64), axes, keepdims) if keepdims or not axes else torch.count_nonzero(a, axes)


@native
def ptp(a: Tensor, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    if type(axis) is int and out is None and a.dtype in _USUAL and a.dim() and a.numel():
        return torch.amax(a, axis, keepdims is True) - torch.amin(a, axis, keepdims is True)
    axes = axes_of(axis, a.dim())
    if a.dtype is torch.bool:
        raise TypeError("numpy boolean subtract, the `-` operator, is not supported")
    value = _highest(a, axes, bool(keepdims)) - _lowest(a, axes, bool(keepdims))
    return value if out is None else write(out, value)


@native
def average(
    a: Tensor, axis: Any = None, weights: Tensor | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    if weights is not None and type(axis) is int and weights.dtype is a.dtype in _USUAL and weights.shape == a.shape:
        total = torch.sum(weights, axis, keepdims)
        _check_total(total)
        value = torch.sum(a * weights, axis, keepdims) / total
        return (value, total) if returned else value
    axes = errors.normal_axes(axis, a.dim())
    if weights is None:
        x = floating(a)
        value = torch.mean(x, axes, keepdims) if axes else x.clone()
        return (value, torch.full_like(value, a.numel() / max(value.numel(), 1))) if returned else value
    if weights.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        if tuple(weights.shape) != tuple(a.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        weights = weights.permute(order).reshape([n if i in axes else 1 for i, n in enumerate(a.shape)])
    scaled = floating(a) * weights
    spread = weights if weights.shape == a.shape else weights.expand(a.shape)
    total = _sum(spread if spread.dtype is scaled.dtype else spread.to(scaled.dtype), axes, keepdims)
    _check_total(total)
    value = _sum(scaled, axes, keepdims) / total
    return (value, total.expand(value.shape)) if returned else value


def _check_total(total: Tensor) -> None:
    if not total.requires_grad and fallback.readable(total) and not total.all():
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")


def complex_of(dtype: torch.dtype) -> torch.dtype:
    """The complex dtype that holds numbers of a real one."""
    return dtype if dtype.is_complex else COMPLEX_OF.get(dtype, COMPLEX_OF[default_float()])
