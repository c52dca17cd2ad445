"""Numerical functions on whole arrays: differences, products, statistics, interpolation, windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors
from dlengine.numpy.core import ndarray, tensor_of, wrap, write
from dlengine.numpy.dtypes import TO_NUMPY, default_float, is_inexact
from dlengine.numpy.native import NATIVE, Dtype, alias, native, register, same_dtype
from dlengine.numpy.table_reductions import axes_of, floating

_NO = numpy._NoValue


@native
def angle(z: Tensor, deg: bool = False) -> Tensor:
    x = floating(z)
    value = torch.angle(x)
    return torch.rad2deg(value) if deg else value


@native
def real(val: Tensor) -> Tensor:
    return val.real


@native
def imag(val: Tensor) -> Tensor:
    return val.imag if val.is_complex() else torch.zeros_like(val)


@native
def isreal(x: Tensor) -> Tensor:
    return x.imag == 0 if x.is_complex() else torch.ones_like(x, dtype=torch.bool)


@native
def iscomplex(x: Tensor) -> Tensor:
    return x.imag != 0 if x.is_complex() else torch.zeros_like(x, dtype=torch.bool)


@native
def isneginf(x: Tensor) -> Tensor:
    return torch.isneginf(x)


@native
def isposinf(x: Tensor) -> Tensor:
    return torch.isposinf(x)


@native
def real_if_close(a: Tensor, tol: float = 100) -> Tensor:
    if not a.is_complex():
        return a
    limit = tol * torch.finfo(a.dtype).eps if tol > 1 else tol
    return a.real if bool((a.imag.abs() < limit).all()) else a


@native
def round(a: Tensor, decimals: int = 0) -> Tensor:
    if a.is_complex():
        return torch.complex(_rounded(a.real, decimals), _rounded(a.imag, decimals))
    if a.dtype is torch.bool:
        return a.to(torch.float16)
    return _rounded(a, decimals)


def _rounded(x: Tensor, decimals: int) -> Tensor:
    if decimals == 0 or (decimals > 0 and not x.dtype.is_floating_point):
        return torch.round(x) if x.dtype.is_floating_point else x.clone()
    scale = 10.0 ** abs(decimals)
    scaled = torch.round(x * scale) / scale if decimals > 0 else torch.round(x / scale) * scale
    return scaled.to(x.dtype)


alias(around="round")


@native
def fix(x: Tensor) -> Tensor:
    return torch.trunc(x) if x.dtype.is_floating_point else x.clone()


@native
def sinc(x: Tensor) -> Tensor:
    return torch.sinc(floating(x))


@native
def i0(x: Tensor) -> Tensor:
    return torch.special.i0(floating(x))


@native
def nan_to_num(x: Tensor, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    if not is_inexact(x.dtype):
        return x.clone() if copy else x
    if x.is_complex():
        parts = [torch.nan_to_num(p, nan, posinf, neginf) for p in (x.real, x.imag)]
        value = torch.complex(*parts)
    else:
        value = torch.nan_to_num(x, nan, posinf, neginf)
    return value if copy else x.copy_(value)


@native
def unwrap(p: Tensor, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Tensor:
    x = floating(p)
    dim = errors.normal_axis(axis, x.dim())
    step = torch.diff(x, dim=dim)
    half = period / 2
    limit = half if discont is None else max(discont, half)
    wrapped = torch.remainder(step + half, period) - half
    wrapped = torch.where((wrapped == -half) & (step > 0), wrapped.new_tensor(half), wrapped)
    change = torch.where(step.abs() < limit, torch.zeros_like(step), wrapped - step)
    return torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 1, x.shape[dim] - 1) + torch.cumsum(change, dim)], dim)


@native
def diff(a: Tensor, n: int = 1, axis: int = -1, prepend: Any = _NO, append: Any = _NO) -> Tensor:
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if a.dim() == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    dim = errors.normal_axis(axis, a.dim())
    parts = [a]
    for extra, front in ((prepend, True), (append, False)):
        if extra is not _NO:
            part = tensor_of(extra, a.device)
            part = part.expand([1 if i == dim else m for i, m in enumerate(a.shape)]) if part.dim() == 0 else part
            parts = [part, *parts] if front else [*parts, part]
    x = torch.cat(same_dtype(*parts), dim)
    for _ in range(n):
        low, high = (
            x.narrow(dim, 0, max(x.shape[dim] - 1, 0)),
            x.narrow(dim, min(1, x.shape[dim]), max(x.shape[dim] - 1, 0)),
        )
        x = high != low if x.dtype is torch.bool else high - low
    return x


@native
def ediff1d(ary: Tensor, to_end: Tensor | None = None, to_begin: Tensor | None = None) -> Tensor:
    parts = [None if to_begin is None else to_begin, ary.reshape(-1).diff(), to_end]
    return torch.cat([part.reshape(-1).to(ary.dtype) for part in parts if part is not None])


@native
def gradient(f: Tensor, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = floating(f)
    axes = axes_of(axis, x.dim())
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    made = []
    for dim, step in zip(axes, steps, strict=True):
        if x.shape[dim] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, "
                "at least (edge_order + 1) elements are required."
            )
        spacing = tensor_of(step, x.device)
        given: Any = [spacing.to(x.dtype)] if spacing.dim() else float(spacing)
        made.append(torch.gradient(x, spacing=given, dim=dim, edge_order=edge_order)[0])
    return made[0] if len(made) == 1 else tuple(made)


@native
def trapezoid(y: Tensor, x: Tensor | None = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    dim = errors.normal_axis(axis, y.dim())
    heights = floating(y)
    total = heights.narrow(dim, 1, y.shape[dim] - 1) + heights.narrow(dim, 0, y.shape[dim] - 1)
    if x is None:
        width: Any = dx if not isinstance(dx, ndarray) else dx._tensor
    elif x.dim() == 1:
        width = torch.diff(x).reshape([-1 if i == dim else 1 for i in range(y.dim())])
    else:
        width = torch.diff(x, dim=dim)
    return (total * width / 2.0).sum(dim)


# Products.


@native
def dot(a: Tensor, b: Tensor, out: Any = None) -> Any:
    x, y = same_dtype(a, b)
    if x.dim() == 0 or y.dim() == 0:
        value = x * y
    elif x.shape[-1] != y.shape[max(y.dim() - 2, 0)]:
        last, inner = x.dim() - 1, max(y.dim() - 2, 0)
        told = f"shapes {tuple(x.shape)} and {tuple(y.shape)} not aligned: "
        told += f"{x.shape[last]} (dim {last}) != {y.shape[inner]} (dim {inner})"
        raise ValueError(told.replace(", ", ",").replace(",)", ",)"))
    elif y.dim() == 1:
        value = contracted(x, y, 1)
    else:
        value = torch.tensordot(*_summable(x, y), dims=([x.dim() - 1], [y.dim() - 2])).to(x.dtype)
    return value if out is None else write(out, value)


def _summable(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return (x.to(torch.int64), y.to(torch.int64)) if x.dtype is torch.bool else (x, y)


def contracted(x: Tensor, y: Tensor, axes: Any) -> Tensor:
    left, right = _summable(x, y)
    return torch.tensordot(left, right, dims=axes).to(x.dtype)


@native
def vdot(a: Tensor, b: Tensor) -> Tensor:
    x, y = same_dtype(a.reshape(-1), b.reshape(-1))
    if x.shape != y.shape:
        raise ValueError(f"cannot reshape array of size {y.numel()} into shape ({x.numel()},)")
    return (x.conj() * y).sum().to(x.dtype)


@native
def inner(a: Tensor, b: Tensor) -> Tensor:
    x, y = same_dtype(a, b)
    if x.dim() == 0 or y.dim() == 0:
        return x * y
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"shapes {tuple(x.shape)} and {tuple(y.shape)} not aligned: {x.shape[-1]} (dim {x.dim() - 1}) != "
            f"{y.shape[-1]} (dim {y.dim() - 1})"
        )
    return contracted(x, y, ([-1], [-1]))


@native
def outer(a: Tensor, b: Tensor) -> Tensor:
    x, y = same_dtype(a.reshape(-1), b.reshape(-1))
    return x.unsqueeze(1) * y


@native
def tensordot(a: Tensor, b: Tensor, axes: Any = 2) -> Tensor:
    x, y = same_dtype(a, b)
    if isinstance(axes, int):
        left, right = list(range(x.dim() - axes, x.dim())), list(range(axes))
    else:
        left, right = ([i] if isinstance(i, int) else list(i) for i in axes)
    if len(left) != len(right) or any(x.shape[i] != y.shape[j] for i, j in zip(left, right, strict=False)):
        raise ValueError(
            f"shape-mismatch for sum: shapes {tuple(x.shape)} and {tuple(y.shape)}, axes {left} and {right}"
        )
    return contracted(x, y, (left, right))


@native
def kron(a: Tensor, b: Tensor) -> Tensor:
    return torch.kron(*same_dtype(a, b))


@native
def cross(a: Tensor, b: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Tensor:
    first, second, last = (axis, axis, axis) if axis is not None else (axisa, axisb, axisc)
    x, y = same_dtype(a.movedim(first, -1), b.movedim(second, -1))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x.shape[-1]} and "
            f"{y.shape[-1]} dimensional instead."
        )
    x, y = torch.broadcast_tensors(x, y)
    return torch.linalg.cross(x, y, dim=-1).movedim(-1, last)


@native
def trace(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype = None, out: Any = None) -> Any:
    line = torch.diagonal(a, offset, axis1, axis2)
    value = NATIVE["sum"](wrap(line), axis=-1, dtype=dtype)._tensor
    return value if out is None else write(out, value)


@native
def diagonal(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    if a.dim() < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    return torch.diagonal(a, offset, errors.normal_axis(axis1, a.dim()), errors.normal_axis(axis2, a.dim()))


def einsum(
    subscripts: Any, *operands: Any, out: Any = None, dtype: Any = None, optimize: Any = False, **kwargs: Any
) -> Any:
    """Einstein's sum, from subscripts as text or as lists of axes."""
    if not isinstance(subscripts, str):
        subscripts, *operands = _spelled((subscripts, *operands))  # type: ignore[assignment]
    tensors = same_dtype(*[tensor_of(o) for o in operands])
    kind = tensors[0].dtype
    tensors = [t.to(torch.int64) if kind is torch.bool else t for t in tensors]
    try:
        value = torch.einsum(subscripts.replace(" ", ""), *tensors).to(kind)
    except RuntimeError as error:
        raise ValueError(f"{error} (shapes {[tuple(t.shape) for t in tensors]})") from None
    value = value if dtype is None else value.to(tensor_of(numpy.empty(0, dtype)).dtype)
    return wrap(value) if out is None else write(out, value)


def _spelled(operands: tuple[Any, ...]) -> list[Any]:
    """einsum's other form, (array, axes, array, axes, ..., out axes), as subscripts and arrays."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def word(axes: Any) -> str:
        return "".join("..." if i is Ellipsis else letters[i] for i in axes)

    pairs = len(operands) // 2
    text = ",".join(word(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        text += "->" + word(operands[-1])
    return [text, *operands[: 2 * pairs : 2]]


register(einsum)


@native
def convolve(a: Tensor, v: Tensor, mode: str = "full") -> Tensor:
    x, y = same_dtype(torch.atleast_1d(a), torch.atleast_1d(v))
    if x.numel() == 0 or y.numel() == 0:
        raise ValueError(f"{'a' if x.numel() == 0 else 'v'} cannot be empty")
    x, y = (x, y) if x.numel() >= y.numel() else (y, x)
    return _correlated(x, y.flip(0), mode)


@native
def correlate(a: Tensor, v: Tensor, mode: str = "valid") -> Tensor:
    x, y = same_dtype(torch.atleast_1d(a), torch.atleast_1d(v).conj().resolve_conj())
    if x.numel() >= y.numel():
        return _correlated(x, y, mode)
    return _correlated(y, x, mode).flip(0)


def _correlated(x: Tensor, y: Tensor, mode: str) -> Tensor:
    """Sliding products of a longer and a shorter vector."""
    m = y.numel()
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got '{mode}')")
    front, back = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[mode]
    padded = torch.cat([x.new_zeros(front), x, x.new_zeros(back)])
    if x.dtype is torch.bool:
        return (padded.unfold(0, m, 1) & y).any(-1)
    return (padded.unfold(0, m, 1) * y).sum(-1).to(x.dtype)


# Statistics.


def _probabilities(q: Any, x: Tensor, scale: float) -> Tensor:
    found = (tensor_of(q, x.device).to(torch.float64) / scale).to(
        x.dtype if x.dtype.is_floating_point else default_float()
    )
    if bool(((found < 0) | (found > 1)).any()):
        raise ValueError(
            "Quantiles must be in the range [0, 1]" if scale == 1 else "Percentiles must be in the range [0, 100]"
        )
    return found


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, scale: float, skip_nan: bool) -> Callable[..., Any]:
    function = torch.nanquantile if skip_nan else torch.quantile

    def core(a: Tensor, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: bool = False, *, weights: Any = None) -> Any:  # fmt: skip
        x = floating(a)
        if method not in _METHODS or weights is not None:
            from dlengine.numpy import fallback

            return fallback.fallback(name)(
                wrap(a), q, axis=axis, method=method, keepdims=keepdims, weights=weights
            )._tensor
        points = _probabilities(q, x, scale)
        axes = axes_of(axis, x.dim())
        keepdims = bool(keepdims) and keepdims is not _NO
        flat, shape = merged(x, axes)
        if flat.shape[-1] == 0:
            raise IndexError("cannot take a quantile of an empty axis")
        value = function(flat, points.reshape(-1), dim=-1, interpolation=method).reshape((*points.shape, *shape))
        if keepdims:
            value = value.reshape((*points.shape, *(1 if i in axes else n for i, n in enumerate(x.shape))))
        return value if out is None else write(out, value)

    return core


def merged(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """The axes flattened into a last one, and the shape without them."""
    kept = [i for i in range(x.dim()) if i not in axes]
    moved = x.permute([*kept, *axes])
    shape = tuple(x.shape[i] for i in kept)
    return moved.reshape((*shape, math.prod(x.shape[i] for i in axes))), shape


for _name, _scale, _skip in (
    ("quantile", 1.0, False),
    ("percentile", 100.0, False),
    ("nanquantile", 1.0, True),
    ("nanpercentile", 100.0, True),
):
    native(_quantile(_name, _scale, _skip), name=_name)


def _median(name: str) -> Callable[..., Any]:
    def core(a: Tensor, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
        x = floating(a)
        axes = axes_of(axis, x.dim())
        flat, shape = merged(x, axes)
        if flat.shape[-1] == 0:
            value = flat.new_full(shape, torch.nan)
        elif name == "nanmedian":
            value = torch.nanquantile(flat, 0.5, dim=-1)
        else:
            ordered = torch.sort(flat, dim=-1).values
            count = flat.shape[-1]
            value = ordered[..., (count - 1) // 2 : count // 2 + 1].mean(-1)
            value = torch.where(torch.isnan(flat).any(-1), torch.full_like(value, torch.nan), value) if count else value
        if keepdims is True:
            value = value.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])
        return value if out is None else write(out, value)

    return core


for _name in ("median", "nanmedian"):
    native(_median(_name), name=_name)


@native
def cov(
    m: Tensor,
    y: Tensor | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
    *,
    dtype: Dtype = None,
) -> Tensor:
    if m.dim() > 2:
        raise ValueError("m has more than 2 dimensions")
    x = torch.atleast_2d(floating(m, dtype))
    x = x.mT if not rowvar and m.dim() == 2 else x
    if y is not None:
        other = torch.atleast_2d(floating(y, dtype))
        x = torch.cat(same_dtype(x, other.mT if not rowvar and other.shape[0] != 1 else other))
    correction = (0 if bias else 1) if ddof is None else int(ddof)
    return torch.cov(x, correction=correction, fweights=fweights, aweights=aweights)


@native
def corrcoef(x: Tensor, y: Tensor | None = None, rowvar: bool = True, *, dtype: Dtype = None) -> Tensor:
    covariance = NATIVE["cov"](wrap(x), None if y is None else wrap(y), rowvar, dtype=dtype)._tensor
    if covariance.dim() == 0:
        return covariance / covariance
    spread = torch.sqrt(torch.diagonal(covariance).real)
    scaled = covariance / spread.unsqueeze(1) / spread
    return (
        torch.complex(scaled.real.clamp(-1, 1), scaled.imag.clamp(-1, 1))
        if scaled.is_complex()
        else scaled.clamp(-1, 1)
    )


@native
def bincount(x: Tensor, /, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    if is_inexact(x.dtype) and x.numel():
        raise TypeError(
            f"Cannot cast array data from dtype('{str(x.dtype)[6:]}') to dtype('int64') according to the rule 'safe'"
        )
    if x.dim() != 1:
        raise ValueError(
            "object too deep for desired array" if x.dim() else "object of too small depth for desired array"
        )
    places = x.to(torch.int64)
    if x.numel() and int(places.min()) < 0:
        raise ValueError("'list' argument must have no negative elements")
    size = max(int(places.max()) + 1 if x.numel() else 0, minlength)
    added = torch.ones_like(places) if weights is None else floating(weights).to(default_float())
    return torch.zeros(size, dtype=added.dtype, device=x.device).index_add(0, places, added)


def _edges(x: Tensor, bins: Any, range: Any) -> Tensor:
    if isinstance(bins, str):
        host = numpy.histogram_bin_edges(x.detach().cpu().numpy(), bins, range)
        return torch.from_numpy(host).to(x.device)
    if not isinstance(bins, int) and not hasattr(bins, "__index__"):
        found = tensor_of(bins, x.device)
        if bool((found.diff() < 0).any()):
            raise ValueError("`bins` must increase monotonically, when an array")
        return found
    if isinstance(bins, ndarray) and bins.ndim:
        return bins._tensor
    count = int(bins)
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    low, high = range if range is not None else ((float(x.min()), float(x.max())) if x.numel() else (0.0, 1.0))
    if low > high:
        raise ValueError("max must be larger than min in range parameter.")
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    kind = x.dtype if x.dtype.is_floating_point else default_float()
    return NATIVE["linspace"](low, high, count + 1, dtype=TO_NUMPY[kind])._tensor.to(x.device)


@native
def histogram_bin_edges(a: Tensor, bins: Any = 10, range: Any = None, weights: Any = None) -> Tensor:
    return _edges(a.reshape(-1), bins, range)


@native
def histogram(a: Tensor, bins: Any = 10, range: Any = None, density: Any = None, weights: Tensor | None = None) -> Any:
    flat = a.reshape(-1)
    flat = flat.to(torch.uint8) if flat.dtype is torch.bool else flat
    edges = _edges(flat, bins, range)
    counts = _counted([flat], [edges], None if weights is None else weights.reshape(-1))
    if density:
        counts = counts / edges.diff() / counts.sum()
    return counts, edges


def _counted(columns: list[Tensor], edges: list[Tensor], weights: Tensor | None) -> Tensor:
    """How many points (or how much weight) fall into each cell; the last cell of an axis includes its upper edge."""
    inside = torch.ones_like(columns[0], dtype=torch.bool)
    place = torch.zeros(columns[0].shape, dtype=torch.int64, device=columns[0].device)
    shape = [len(e) - 1 for e in edges]
    for column, edge in zip(columns, edges, strict=True):
        x, e = same_dtype(column, edge)
        index = torch.searchsorted(e.contiguous(), x.contiguous(), right=True) - 1
        index = torch.where(x == e[-1], torch.full_like(index, len(e) - 2), index)
        inside &= (index >= 0) & (index < len(e) - 1)
        place = place * (len(e) - 1) + index
    amount = torch.ones_like(place) if weights is None else weights
    chosen = inside.nonzero().reshape(-1)
    return (
        torch.zeros(math.prod(shape), dtype=amount.dtype, device=amount.device)
        .index_add(0, place[chosen], amount[chosen])
        .reshape(shape)
    )


@native
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Tensor | None = None
) -> Any:
    if isinstance(sample, (list, tuple)):
        columns = [tensor_of(s) for s in sample]
    else:
        table = tensor_of(sample)
        columns = list((table.unsqueeze(1) if table.dim() == 1 else table).unbind(1))
    counts_asked = [bins] * len(columns) if isinstance(bins, int) else list(bins)
    ranges = [None] * len(columns) if range is None else list(range)
    columns = [floating(c) for c in columns]
    edges = [_edges(c, b, r) for c, b, r in zip(columns, counts_asked, ranges, strict=True)]
    counts = _counted(columns, edges, weights)
    counts = counts.to(default_float())
    if density:
        for axis, edge in enumerate(edges):
            counts = counts / edge.diff().reshape([-1 if i == axis else 1 for i in builtin_range(len(edges))])
        counts = counts / (counts * _volumes(edges)).sum()
    return counts, tuple(edges)


builtin_range = range


def _volumes(edges: list[Tensor]) -> Tensor:
    volume = edges[0].diff()
    for edge in edges[1:]:
        volume = volume.unsqueeze(-1) * edge.diff()
    return volume


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """The counts of points in the cells of a plane, and the edges along x and y."""
    pair = (
        [bins, bins]
        if isinstance(bins, int) or (not isinstance(bins, (list, tuple)) or len(bins) not in (1, 2))
        else bins
    )
    counts, (first, second) = NATIVE["histogramdd"](
        [x, y], list(pair) * (1 if len(pair) == 2 else 2), range, density, weights
    )
    return counts, first, second


register(histogram2d)


@native
def interp(x: Tensor, xp: Tensor, fp: Tensor, left: Any = None, right: Any = None, period: Any = None) -> Tensor:
    if xp.dim() != 1 or fp.shape != xp.shape or xp.numel() == 0:
        raise ValueError("fp and xp are not of the same length." if xp.numel() else "array of sample points is empty")
    at, known, values = floating(x), floating(xp), floating(fp)
    if period is not None:
        period = abs(period)
        at, known = at % period, known % period
        order = torch.argsort(known)
        known, values = known[order], values[order]
        known = torch.cat([known[-1:] - period, known, known[:1] + period])
        values = torch.cat([values[-1:], values, values[:1]])
    at, known = same_dtype(at, known)
    if known.numel() == 1:
        result = values[0].expand(at.shape).clone()
    else:
        index = torch.searchsorted(known.contiguous(), at.detach().contiguous(), right=True).clamp(1, known.numel() - 1)
        low, high = known[index - 1], known[index]
        slope = (values[index] - values[index - 1]) / (high - low)
        result = values[index - 1] + slope * (at - low)
        result = torch.where(at <= known[0], values[0], torch.where(at >= known[-1], values[-1], result))
    if left is not None and period is None:
        result = torch.where(at < known[0], tensor_of(left).to(result.dtype), result)
    if right is not None and period is None:
        result = torch.where(at > known[-1], tensor_of(right).to(result.dtype), result)
    return torch.where(torch.isnan(at), at.to(result.dtype), result)


# Comparison.


@native
def isclose(a: Tensor, b: Tensor, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Tensor:
    x, y = same_dtype(floating(a), floating(b))
    errors.broadcast(tuple(x.shape), tuple(y.shape))
    near = (x - y).abs() <= atol + rtol * y.abs()
    close = torch.where(torch.isfinite(y), near, x == y) if not y.is_complex() else near | (x == y)
    return close | (torch.isnan(x) & torch.isnan(y)) if equal_nan else close


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> bool:
    return bool(NATIVE["isclose"](a, b, rtol, atol, equal_nan)._tensor.all())


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    x, y = tensor_of(a1), tensor_of(a2)
    if x.shape != y.shape:
        return False
    same = NATIVE["equal"](wrap(x), wrap(y))._tensor
    if equal_nan and is_inexact(x.dtype) and is_inexact(y.dtype):
        same = same | (torch.isnan(x) & torch.isnan(y))
    return bool(same.all())


def array_equiv(a1: Any, a2: Any) -> bool:
    x, y = tensor_of(a1), tensor_of(a2)
    try:
        numpy.broadcast_shapes(tuple(x.shape), tuple(y.shape))
    except ValueError:
        return False
    return bool(NATIVE["equal"](wrap(x), wrap(y))._tensor.all())


register(allclose, array_equal, array_equiv)


# Windows.


def _window(name: str, formula: Callable[[Tensor, int], Tensor]) -> None:
    def call(M: int) -> ndarray:
        if M < 1:
            return wrap(torch.zeros(0, dtype=default_float()))
        if M == 1:
            return wrap(torch.ones(1, dtype=default_float()))
        return wrap(formula(torch.arange(1 - M, M, 2, dtype=default_float()), M))

    call.__name__ = name
    NATIVE[name] = call


_window("hanning", lambda n, M: 0.5 + 0.5 * torch.cos(math.pi * n / (M - 1)))
_window("hamming", lambda n, M: 0.54 + 0.46 * torch.cos(math.pi * n / (M - 1)))
_window(
    "blackman", lambda n, M: 0.42 + 0.5 * torch.cos(math.pi * n / (M - 1)) + 0.08 * torch.cos(2 * math.pi * n / (M - 1))
)
_window("bartlett", lambda n, M: torch.where(n <= 0, 1 + n / (M - 1), 1 - n / (M - 1)))


def kaiser(M: int, beta: Any) -> ndarray:
    if M == 1:
        return wrap(torch.ones(1, dtype=default_float()))
    n = torch.arange(M, dtype=default_float())
    alpha = (M - 1) / 2.0
    shape = tensor_of(beta).to(default_float())
    return wrap(torch.special.i0(shape * torch.sqrt(1 - ((n - alpha) / alpha) ** 2)) / torch.special.i0(shape))


register(kaiser)
