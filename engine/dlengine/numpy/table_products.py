"""Products of arrays: dot and its kin, contractions, sliding products."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from dlengine.numpy import errors, fallback
from dlengine.numpy.core import ndarray, tensor_of, wrap, write
from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.native import NATIVE, Dtype, native, register, same_dtype

_FLOATS = frozenset({torch.float32, torch.float64})


@native
def dot(a: Tensor, b: Tensor, out: Any = None) -> Any:
    if a.dtype is b.dtype in _FLOATS and a.dim() and 0 < b.dim() <= 2 and out is None:
        try:
            return torch.matmul(a, b)
        except RuntimeError:  # told in NumPy's words below
            pass
    x, y = same_dtype(a, b)
    if x.dim() == 0 or y.dim() == 0:
        value = x * y
    elif x.shape[-1] != y.shape[max(y.dim() - 2, 0)]:
        last, inner = x.dim() - 1, max(y.dim() - 2, 0)
        told = f"shapes {tuple(x.shape)} and {tuple(y.shape)} not aligned: "
        told += f"{x.shape[last]} (dim {last}) != {y.shape[inner]} (dim {inner})"
        raise ValueError(told.replace(", ", ",").replace(",)", ",)"))
    elif y.dim() <= 2 and x.dtype is not torch.bool:
        value = torch.matmul(x, y)
    else:
        value = contracted(x, y, ([x.dim() - 1], [max(y.dim() - 2, 0)]))
    return value if out is None else write(out, value)


def contracted(x: Tensor, y: Tensor, axes: Any) -> Tensor:
    if x.dtype is torch.bool:
        return torch.tensordot(x.to(torch.int64), y.to(torch.int64), dims=axes) != 0
    return torch.tensordot(x, y, dims=axes)


@native
def vdot(a: Tensor, b: Tensor) -> Tensor:
    x, y = same_dtype(a.reshape(-1), b.reshape(-1))
    if x.shape != y.shape:
        raise ValueError(f"cannot reshape array of size {y.numel()} into shape ({x.numel()},)")
    return (x.conj() * y).sum().to(x.dtype)


@native
def inner(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype is b.dtype in _FLOATS and a.dim() and b.dim():
        try:
            return torch.inner(a, b)
        except RuntimeError:  # told in NumPy's words below
            pass
    x, y = same_dtype(a, b)
    if x.dim() == 0 or y.dim() == 0:
        return x * y
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"shapes {tuple(x.shape)} and {tuple(y.shape)} not aligned: {x.shape[-1]} (dim {x.dim() - 1}) != "
            f"{y.shape[-1]} (dim {y.dim() - 1})"
        )
    return contracted(x, y, ([-1], [-1])) if x.dtype is torch.bool else torch.inner(x, y)


@native
def outer(a: Tensor, b: Tensor) -> Tensor:
    x, y = same_dtype(a, b)
    return torch.outer(x if x.dim() == 1 else x.reshape(-1), y if y.dim() == 1 else y.reshape(-1))


@native
def tensordot(a: Tensor, b: Tensor, axes: Any = 2) -> Tensor:
    usual = type(axes) is int and axes == 1 and a.dtype is b.dtype in _FLOATS
    if usual and a.dim() and 0 < b.dim() <= 2 and a.size(-1) == b.size(0):
        return torch.matmul(a, b)
    x, y = same_dtype(a, b)
    whole = type(axes) is int and 0 < axes <= min(x.dim(), y.dim()) and x.dtype is not torch.bool
    if whole and x.shape[-axes:] == y.shape[:axes]:
        return torch.tensordot(x, y, axes)
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
    x, y = same_dtype(a, b)
    return torch.kron(x.contiguous(), y.contiguous())


@native
def cross(a: Tensor, b: Tensor, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Tensor:
    first, second, last = (axis, axis, axis) if axis is not None else (axisa, axisb, axisc)
    x, y = same_dtype(a.movedim(first, -1), b.movedim(second, -1))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ValueError(
            f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are {x.shape[-1]} and "
            f"{y.shape[-1]} dimensional instead: shapes {tuple(a.shape)} and {tuple(b.shape)}"
        )
    x, y = torch.broadcast_tensors(x, y)
    return torch.linalg.cross(x, y, dim=-1).movedim(-1, last)


@native
def trace(a: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype = None, out: Any = None) -> Any:
    if a.dim() == 2 and (offset, axis1, axis2) == (0, 0, 1) and dtype is out is None and is_inexact(a.dtype):
        return torch.trace(a)
    value = NATIVE["sum"](wrap(torch.diagonal(a, offset, axis1, axis2)), -1, dtype)._tensor
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
    tensors = same_dtype(*[o._tensor if type(o) is ndarray else tensor_of(o) for o in operands])
    kind = tensors[0].dtype
    if kind is torch.bool:
        tensors = [t.to(torch.int64) for t in tensors]
    try:
        value = torch.einsum(subscripts, *tensors)
        value = value if value.dtype is kind else value.to(kind)
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


def _vectors(a: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Errors: ValueError for what has more than one axis."""
    if a.dim() > 1 or v.dim() > 1:
        raise ValueError(f"object too deep for desired array: shapes {tuple(a.shape)} and {tuple(v.shape)}")
    return a if a.dim() else a.reshape(1), v if v.dim() else v.reshape(1)


_MODES = ("full", "same", "valid")


@native
def convolve(a: Tensor, v: Tensor, mode: Any = "full") -> Tensor:
    x, y = same_dtype(*_vectors(a, v))
    if x.numel() == 0 or y.numel() == 0:
        raise ValueError(f"{'a' if x.numel() == 0 else 'v'} cannot be empty")
    if fallback.small(x, y) and mode in _MODES:
        return torch.from_numpy(numpy.convolve(x.detach().numpy(), y.detach().numpy(), mode))
    x, y = (x, y) if x.numel() >= y.numel() else (y, x)
    return _correlated(x, y.flip(0), mode)


@native
def correlate(a: Tensor, v: Tensor, mode: Any = "valid") -> Tensor:
    first, second = _vectors(a, v)
    x, y = same_dtype(first, second.conj().resolve_conj())
    if x.numel() == 0 or y.numel() == 0:
        raise ValueError(f"{'first' if x.numel() == 0 else 'second'} array argument cannot be empty")
    if fallback.small(x, y) and mode in _MODES:
        return torch.from_numpy(numpy.correlate(x.detach().numpy(), y.detach().numpy(), mode))
    if x.numel() >= y.numel():
        return _correlated(x, y, mode)
    return _correlated(y, x, mode).flip(0)


def _correlated(x: Tensor, y: Tensor, mode: str) -> Tensor:
    """Sliding products of a longer and a shorter vector."""
    m = y.numel()
    if mode not in _MODES:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got '{mode}')")
    front, back = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[mode]
    rows = torch.constant_pad_nd(x, (front, back)).unfold(0, m, 1)
    if rows.numel() <= _MOST:
        return _products(rows, y)
    return torch.cat([_products(part, y) for part in rows.split(max(_MOST // m, 1))])


_MOST = 2**24  # products held at a time: a long vector and a long kernel have more than fit into memory


def _products(rows: Tensor, y: Tensor) -> Tensor:
    if rows.dtype is torch.bool:
        return (rows & y).any(-1)
    return torch.mv(rows, y) if is_inexact(rows.dtype) else (rows * y).sum(-1).to(rows.dtype)
