"""Functions that make arrays."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy
import torch
import torch.utils.dlpack
from torch import Tensor

from dlengine.numpy import devices, fallback
from dlengine.numpy.core import device_of, from_host, ndarray, tensor_of, wrap
from dlengine.numpy.dtypes import NoTensor, default_float, is_inexact, promote, torch_dtype, weak_dtype
from dlengine.numpy.native import NATIVE, alias, native, register, same_dtype
from dlengine.numpy.table_reductions import floating


def _shape(shape: Any) -> tuple[int, ...]:
    """A shape of plain integers. Errors: TypeError, ValueError for negative ones."""
    if type(shape) is int and shape >= 0:
        return (shape,)
    sizes = tuple(shape) if isinstance(shape, (tuple, list, numpy.ndarray, torch.Size, ndarray)) else (shape,)
    try:
        plain = tuple(n if type(n) is int else n.__index__() for n in sizes)
    except AttributeError:
        raise TypeError(f"expected a sequence of integers or a single integer, got '{shape}'") from None
    if any(n < 0 for n in plain):
        raise ValueError("negative dimensions are not allowed")
    return plain


def _place(dtype: Any, device: Any) -> dict[str, Any]:
    where = devices.pick(device)
    return {"dtype": devices.fitting(default_float() if dtype is None else torch_dtype(dtype), where), "device": where}


def array(object: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0,
          device: Any = None, like: Any = None) -> ndarray:  # fmt: skip
    """A new array from anything array-like; gradients flow through arrays and tensors inside lists."""
    try:
        if dtype is None and device is None and copy and not ndmin:
            if type(object) is ndarray:
                return wrap(object._tensor.clone())
            if type(object) is list:
                return wrap(tensor_of(object))
        tensor = _converted(object, dtype, device, copy)
    except NoTensor as error:
        return fallback.foreign("array", error, (object, dtype), {"copy": copy, "order": order, "ndmin": ndmin})
    if ndmin > tensor.dim():
        tensor = tensor.reshape((1,) * (ndmin - tensor.dim()) + tuple(tensor.shape))
    return wrap(tensor)


def _converted(value: Any, dtype: Any, device: Any, copy: Any) -> Tensor:
    where = devices.pick(device) if device is not None else None
    kind = None if dtype is None else torch_dtype(dtype)
    source = tensor_of(value, where or device_of((value,)))
    goal = where or source.device
    if goal is source.device and kind is None:
        tensor = source
    else:
        tensor = source.to(device=goal, dtype=kind or devices.fitting(source.dtype, goal))
    shares = tensor is source and isinstance(value, (ndarray, Tensor, numpy.ndarray))
    if copy is False and (tensor is not source or not isinstance(value, (ndarray, Tensor, numpy.ndarray))):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return tensor.clone() if copy is True and shares else tensor


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None
) -> ndarray:
    """The array of anything array-like; arrays, tensors and NumPy arrays are shared where they can be."""
    if type(a) is ndarray and dtype is None and device is None and not copy:
        return a
    try:
        return wrap(_converted(a, dtype, device, copy))
    except NoTensor as error:
        return fallback.foreign("asarray", error, (a, dtype, order), {"copy": copy})


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    made = asarray(a, dtype)
    if is_inexact(made._tensor.dtype) and not bool(torch.isfinite(made._tensor).all()):
        raise ValueError("array must not contain infs or NaNs")
    return made


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> ndarray:
    tensor = _converted(a, dtype, None, None).contiguous()
    return wrap(tensor.reshape(1) if tensor.dim() == 0 else tensor)


def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> ndarray:
    tensor = _converted(a, dtype, None, None)
    order = tuple(range(tensor.dim() - 1, -1, -1))
    return wrap(tensor.permute(order).contiguous().permute(order))


def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> ndarray:
    wanted = {r.upper()[0] for r in ([requirements] if isinstance(requirements, str) else requirements or [])}
    made = asfortranarray(a, dtype) if "F" in wanted else asarray(a, dtype)
    return wrap(made._tensor.contiguous()) if "C" in wanted else made


def copy(a: Any, order: str = "K", subok: bool = False) -> ndarray:
    return wrap(tensor_of(a).clone())


def empty(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> ndarray:
    return _made("empty", torch.empty, shape, dtype, order, device)


def zeros(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> ndarray:
    return _made("zeros", torch.zeros, shape, dtype, order, device)


def ones(shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None) -> ndarray:
    return _made("ones", torch.ones, shape, dtype, order, device)


def _made(name: str, make: Any, shape: Any, dtype: Any, order: str, device: Any) -> ndarray:
    try:
        return wrap(make(_shape(shape), **_place(dtype, device)))
    except NoTensor as error:
        return fallback.foreign(name, error, (shape, dtype, order), {})


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> ndarray:
    if type(fill_value) is float and dtype is None:
        return wrap(torch.full(_shape(shape), fill_value, **_place(None, device)))
    try:
        value = tensor_of(fill_value, devices.pick(device) if device is not None else None)
        goal = value.to(dtype=None if dtype is None else torch_dtype(dtype))
    except NoTensor as error:
        return fallback.foreign("full", error, (shape, fill_value, dtype, order), {})
    return wrap(_filled(goal, _shape(shape)))


def _filled(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return value.expand(shape).clone()
    except RuntimeError:
        text = f"could not broadcast input array from shape {tuple(value.shape)} into shape {shape}"
        raise ValueError(text.replace(", ", ",")) from None


def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> ndarray:
    return _like(prototype, dtype, shape, device, torch.empty)


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> ndarray:
    return _like(a, dtype, shape, device, torch.zeros)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> ndarray:
    return _like(a, dtype, shape, device, torch.ones)


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> ndarray:
    made = _like(a, dtype, shape, device, torch.empty)
    value = tensor_of(fill_value, made.device)
    return wrap(_filled(value.to(made._tensor.dtype), made.shape))


def _like(a: Any, dtype: Any, shape: Any, device: Any, make: Any) -> ndarray:
    model = tensor_of(a)
    kind = model.dtype if dtype is None else torch_dtype(dtype)
    size = model.shape if shape is None else _shape(shape)
    return wrap(make(size, dtype=kind, device=model.device if device is None else devices.pick(device)))


_NUMBERS = frozenset({bool, int, float, complex})


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None, like: Any = None
) -> ndarray:
    """Numbers from start up to, not including, stop; their count is rounded as NumPy rounds it."""
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    if dtype is None and type(start) is type(stop) is type(step) is int and step:
        span = (start, stop, step) if (stop > start) is (step > 0) else (0, 0, 1)
        return wrap(torch.arange(*span, device=devices.pick(device)))
    bounds = [
        b.item() if isinstance(b, (ndarray, Tensor, numpy.generic, numpy.ndarray)) else b for b in (start, stop, step)
    ]
    try:
        kinds = [weak_dtype(type(b)) if type(b) in _NUMBERS else tensor_of(b).dtype for b in bounds]
        place = _place(promote(*kinds) if dtype is None else dtype, device)
    except NoTensor as error:
        return fallback.foreign("arange", error, (start, stop, step, dtype), {})
    if bounds[2] == 0:
        raise ZeroDivisionError("division by zero")
    count = max(math.ceil((bounds[1] - bounds[0]) / bounds[2]), 0)
    exact = torch.float64 if place["device"].type != "mps" else torch.float32
    work = place["dtype"] if all(k is torch.int64 for k in kinds) and not place["dtype"].is_floating_point else exact
    if all(isinstance(b, int) for b in bounds) and work is not exact:
        work = torch.int64
    steps = torch.arange(count, dtype=work, device=place["device"])
    return wrap((steps * bounds[2] + bounds[0]).to(place["dtype"]))


def identity(n: int, dtype: Any = None, *, device: Any = None, like: Any = None) -> ndarray:
    return eye(n, dtype=dtype, device=device)


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = float,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> ndarray:
    place = _place(dtype, device)
    if N < 0 or (M is not None and M < 0):
        raise ValueError("negative dimensions are not allowed")
    if k == 0 and place["dtype"].is_floating_point:  # torch makes no unsigned ones
        return wrap(torch.eye(N, N if M is None else M, **place))
    rows = torch.arange(N, device=place["device"]).unsqueeze(1)
    columns = torch.arange(N if M is None else M, device=place["device"])
    return wrap((columns - rows == k).to(place["dtype"]))


def tri(
    N: int, M: int | None = None, k: int = 0, dtype: Any = float, *, device: Any = None, like: Any = None
) -> ndarray:
    place = _place(dtype, device)
    return wrap(torch.ones(N, N if M is None else M, **place).tril(k))


register(
    array,
    asarray,
    asarray_chkfinite,
    ascontiguousarray,
    asfortranarray,
    require,
    copy,
    empty,
    zeros,
    ones,
    full,
    empty_like,
    zeros_like,
    ones_like,
    full_like,
    arange,
    identity,
    eye,
    tri,
)
alias(asanyarray="asarray")


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    """`num` evenly spaced numbers; start and stop may be arrays, through which gradients flow."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    if {type(start), type(stop)} <= {int, float} and endpoint and not retstep and dtype is None:
        return wrap(torch.linspace(start, stop, num, **_place(None, device)))
    where = device_of((start, stop)) or devices.pick(device)
    first, last = same_dtype(floating(tensor_of(start, where)), floating(tensor_of(stop, where)))
    first, last = torch.broadcast_tensors(first, last)
    parts = num - 1 if endpoint else num
    delta = last - first
    ramp = torch.arange(num, dtype=first.real.dtype if first.is_complex() else first.dtype, device=where)
    ramp = ramp.reshape((-1,) + (1,) * first.dim())
    step = delta / parts if parts > 0 else delta * torch.nan
    values = ramp * step + first if parts > 0 else ramp * delta + first
    if endpoint and num > 1:
        values = torch.cat([values[:-1], last.unsqueeze(0)])
    values = values.movedim(0, axis) if axis != 0 else values
    if dtype is not None:
        kind = torch_dtype(dtype)
        values = (values if is_inexact(kind) else torch.floor(values)).to(kind)
    return (wrap(values), wrap(step)) if retstep else wrap(values)


def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> ndarray:  # fmt: skip
    powers = linspace(start, stop, num, endpoint, axis=axis)._tensor
    values = torch.pow(tensor_of(base, powers.device), powers)
    return wrap(values if dtype is None else values.to(torch_dtype(dtype)))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> ndarray:
    first, last = same_dtype(floating(tensor_of(start)), floating(tensor_of(stop)))
    zero = (first == 0).any() | (last == 0).any()
    if fallback.readable(zero) and bool(zero):
        raise ValueError("Geometric sequence cannot include zero")
    sign = torch.sgn(first)
    ratio = torch.log10(last / sign)
    values = torch.pow(10.0, linspace(wrap(torch.log10(first / sign)), wrap(ratio), num, endpoint)._tensor) * sign
    if num > 0:
        ends = [first.expand(values[0].shape).unsqueeze(0), values[1:]]
        values = torch.cat(ends)
        if endpoint and num > 1:
            values = torch.cat([values[:-1], last.expand(values[0].shape).unsqueeze(0)])
    values = values.movedim(0, axis)
    return wrap(values if dtype is None else values.to(torch_dtype(dtype)))


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any) -> Any:
    return function(*NATIVE["indices"](shape, dtype=dtype), **kwargs)


def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    sizes = _shape(dimensions)
    kind, where = torch_dtype(dtype), devices.pick()
    ranges = [torch.arange(n, device=where).to(kind) for n in sizes]
    grids = [r.reshape([-1 if i == axis else 1 for i in range(len(sizes))]) for axis, r in enumerate(ranges)]
    if sparse:
        return tuple(map(wrap, grids))
    if not grids:
        return wrap(torch.empty((0,), dtype=kind, device=where))
    return wrap(torch.stack([g.expand(sizes) for g in grids]))


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> ndarray:
    tensor = x._tensor if type(x) is ndarray else torch.utils.dlpack.from_dlpack(x)
    moved = tensor if device is None else tensor.to(devices.pick(device))
    return wrap(moved.clone() if copy and moved is tensor else moved)


READERS: dict[str, Any] = {}  # read by NumPy; see `_by_numpy`


def _by_numpy(name: str) -> None:
    """Text, files and buffers are read by NumPy, which is where such data is; the array goes to the device."""
    reader = getattr(numpy, name)

    def read(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        found = reader(*args, **kwargs)
        return wrap(from_host(found).to(devices.pick(device))) if isinstance(found, numpy.ndarray) else found

    read.__name__ = read.__qualname__ = name
    read.__doc__ = reader.__doc__
    READERS[name] = read


register(linspace, logspace, geomspace, fromfunction, indices, from_dlpack)
for _name in ("frombuffer", "fromfile", "fromiter", "fromstring", "fromregex", "genfromtxt", "loadtxt"):
    _by_numpy(_name)


@native
def meshgrid(*xi: Tensor, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    if not sparse and len({(x.dim(), x.dtype) for x in xi}) == 1 and xi[0].dim() == 1:
        made = torch.meshgrid(*xi, indexing=indexing)
        return tuple([grid.clone() for grid in made] if copy else made)
    count = len(xi)
    grids = [x.reshape([-1 if i == axis else 1 for i in range(count)]) for axis, x in enumerate(xi)]
    if indexing == "xy" and count > 1:
        grids = [grid.transpose(0, 1) for grid in grids]
    if not sparse:
        grids = torch.broadcast_tensors(*grids)
    return tuple([grid.clone() for grid in grids] if copy else grids)


@native
def diag(v: Tensor, k: int = 0) -> Tensor:
    if v.dim() not in (1, 2):
        raise ValueError("Input must be 1- or 2-d.")
    return torch.diag_embed(v, k) if v.dim() == 1 else torch.diagonal(v, k)


@native
def diagflat(v: Tensor, k: int = 0) -> Tensor:
    return torch.diag_embed(v.reshape(-1), k)


@native
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    if x.dim() != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = x.shape[0] if N is None else N
    base = x if is_inexact(x.dtype) else x.to(torch.int64)
    # powers as numbers: torch's second derivative of x ** 0 with a tensor for 0 is nan
    columns = [base**power for power in range(count)]
    if not columns:
        return base.new_empty((len(base), 0))
    return torch.stack(columns if increasing else columns[::-1], 1)


@native
def tril(m: Tensor, k: int = 0) -> Tensor:
    return torch.tril(m.expand(m.shape[0], m.shape[0]) if m.dim() == 1 else m, k)


@native
def triu(m: Tensor, k: int = 0) -> Tensor:
    return torch.triu(m.expand(m.shape[0], m.shape[0]) if m.dim() == 1 else m, k)
