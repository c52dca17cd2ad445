"""numpy.linalg on tensors: all 32 functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
import torch
from numpy.linalg import LinAlgError
from torch import Tensor
from torch._C import _LinAlgError as TorchLinAlgError  # type: ignore[attr-defined]

from dlengine.numpy import errors, fallback
from dlengine.numpy.core import wrap
from dlengine.numpy.native import NATIVE, Dtype, Tensors, local, same_dtype
from dlengine.numpy.table_reductions import floating

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]


class EigResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


def _named(kind: Any, tensors: Any) -> Any:
    """A named tuple of arrays: made so, it takes no call of Python's."""
    return tuple.__new__(kind, [wrap(tensor) for tensor in tensors])


def _matrix(a: Tensor, square: bool = False) -> Tensor:
    """The matrices as floats that LAPACK takes. Errors: LinAlgError."""
    if a.dim() < 2:
        raise LinAlgError(f"{a.dim()}-dimensional array given. Array must be at least two-dimensional")
    if square and a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"Last 2 dimensions of the array must be square, not {tuple(a.shape[-2:])}")
    if a.dtype is torch.float16:
        raise TypeError("array type float16 is unsupported in linalg")
    return floating(a)


def _on_host(name: str, *tensors: Tensor) -> Tensor | None:
    """By NumPy, for small matrices on the CPU that nothing follows; None for others."""
    if not fallback.small(*tensors):
        return None
    try:
        with numpy.errstate(all="ignore"):
            found = getattr(numpy.linalg, name)(*[tensor.detach().numpy() for tensor in tensors])
    except LinAlgError:
        raise
    except ValueError:  # told with both shapes by the general way
        return None
    return torch.from_numpy(found) if found.ndim else torch.scalar_tensor(found, dtype=tensors[0].dtype)


def _tried(function: Callable[..., Any], a: Tensor, square: bool, option: Any) -> Any:
    """The function of the matrices as they are; what torch refuses is made ready, or told in NumPy's words."""
    try:
        return function(a, option)
    except RuntimeError:
        return function(_matrix(a, square), option)


@local
def inv(a: Tensor) -> Tensor:
    small = _on_host("inv", a)
    if small is not None:
        return small
    try:
        return torch.linalg.inv(_matrix(a, True))
    except TorchLinAlgError:
        raise LinAlgError("Singular matrix") from None


@local
def solve(a: Tensor, b: Tensor) -> Tensor:
    small = _on_host("solve", a, b)
    if small is not None:
        return small
    x, y = same_dtype(_matrix(a, True), floating(b))
    vector = y.dim() == 1
    if x.shape[-1] != y.shape[-1 if vector else -2]:
        raise ValueError(
            f"solve: Input operand 1 has a mismatch in its core dimension 0: the shapes are {tuple(x.shape)} "
            f"and {tuple(y.shape)}"
        )
    try:
        # with all axes there, torch cannot take matrices for rows of vectors
        whole = y if vector else y.reshape((1,) * (x.dim() - y.dim()) + tuple(y.shape))
        return torch.linalg.solve(x, whole)
    except TorchLinAlgError:
        raise LinAlgError("Singular matrix") from None


@local
def cholesky(a: Tensor, /, *, upper: bool = False) -> Tensor:
    try:
        lower = torch.linalg.cholesky(_matrix(a, True))
    except TorchLinAlgError:
        raise LinAlgError("Matrix is not positive definite") from None
    return lower.mH if upper else lower


@local
def det(a: Tensor) -> Tensor:
    small = _on_host("det", a)
    return torch.linalg.det(_matrix(a, True)) if small is None else small


@local
def slogdet(a: Tensor) -> Any:
    return _named(SlogdetResult, torch.linalg.slogdet(_matrix(a, True)))


@local
def eig(a: Tensor) -> Any:
    values, vectors = torch.linalg.eig(_matrix(a, True))
    if not a.is_complex() and bool((values.imag == 0).all()):
        return _named(EigResult, (values.real, vectors.real))
    return _named(EigResult, (values, vectors))


@local
def eigvals(a: Tensor) -> Tensor:
    values = torch.linalg.eigvals(_matrix(a, True))
    return values.real if not a.is_complex() and bool((values.imag == 0).all()) else values


@local
def eigh(a: Tensor, UPLO: str = "L") -> Any:
    return _named(EighResult, _tried(torch.linalg.eigh, a, True, UPLO if UPLO == "L" else UPLO.upper()))


@local
def eigvalsh(a: Tensor, UPLO: str = "L") -> Tensor:
    return torch.linalg.eigvalsh(_matrix(a, True), UPLO=UPLO.upper())


@local
def svd(a: Tensor, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if compute_uv:
        return _named(SVDResult, _tried(torch.linalg.svd, a, False, full_matrices))
    return torch.linalg.svdvals(_matrix(a))


@local
def svdvals(x: Tensor, /) -> Tensor:
    return torch.linalg.svdvals(_matrix(x))


@local
def qr(a: Tensor, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    if mode == "raw":
        reflectors, factors = torch.geqrf(_matrix(a))
        return reflectors.mT, factors
    found = _tried(torch.linalg.qr, a, False, "reduced" if mode == "r" and fallback.followed(a) else mode)
    return found.R if mode == "r" else _named(QRResult, found)


@local
def pinv(a: Tensor, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    limit = rtol if rcond is None else rcond
    limit = 1e-15 if limit is None and rcond is None and rtol is None else limit
    return torch.linalg.pinv(_matrix(a), rtol=limit, hermitian=hermitian)


@local
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    if A.dim() < 2:
        return (A != 0).any().to(torch.int64)
    return torch.linalg.matrix_rank(_matrix(A), atol=tol, rtol=0.0 if tol is not None else rtol, hermitian=hermitian)


@local
def matrix_power(a: Tensor, n: int) -> Tensor:
    x = _matrix(a, True) if n < 0 else a
    if x.shape[-1] != x.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    if x.dtype.is_floating_point or x.is_complex():
        return torch.linalg.matrix_power(x, n)
    result = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand(x.shape)
    while n:
        result = result @ x if n & 1 else result
        x, n = x @ x, n >> 1
    return result


@local
def lstsq(a: Tensor, b: Tensor, rcond: Any = None) -> Any:
    x, y = same_dtype(_matrix(a), floating(b))
    if x.shape[0] != y.shape[0]:
        raise LinAlgError(f"Incompatible dimensions: the shapes are {tuple(x.shape)} and {tuple(y.shape)}")
    columns = y.unsqueeze(1) if y.dim() == 1 else y
    limit = torch.finfo(x.dtype).eps * max(x.shape) if rcond is None else rcond
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    kept = s > limit * s[:1]
    scale = torch.where(kept, 1 / torch.where(kept, s, torch.ones_like(s)), torch.zeros_like(s))
    found = vh.mH @ (scale.unsqueeze(1) * (u.mH @ columns))
    rank = int(kept.sum())
    left = columns - x @ found
    residuals = (left.abs() ** 2).sum(0) if rank == x.shape[1] and x.shape[0] > x.shape[1] else s[:0]
    return (
        found.squeeze(1) if y.dim() == 1 else found,
        residuals,
        torch.tensor(rank, dtype=torch.int32, device=x.device),
        s,
    )


@local
def norm(x: Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    a = floating(x)
    if axis is None:
        if ord is None or (ord == 2 and a.dim() == 1) or (ord in ("f", "fro") and a.dim() == 2):
            found = torch.linalg.vector_norm(a)
            return found.reshape((1,) * a.dim()) if keepdims else found
        axes = tuple(range(a.dim()))
    else:
        axes = errors.normal_axes(axis, a.dim())
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"Invalid norm order '{ord}' for vectors")
        return torch.linalg.vector_norm(a, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _matrix_norm(a, "fro" if ord is None else ord, axes, keepdims)


def _matrix_norm(a: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    try:
        return torch.linalg.matrix_norm(
            a, {"f": "fro"}.get(ord, ord) if isinstance(ord, str) else float(ord), axes, keepdims
        )
    except RuntimeError as error:
        if "ord" in str(error).lower():
            raise ValueError("Invalid norm order for matrices.") from None
        raise


@local
def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    a = floating(x)
    return torch.linalg.vector_norm(a, ord, errors.normal_axes(axis, a.dim()) if axis is not None else None, keepdims)


@local
def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    return _matrix_norm(_matrix(x), ord, (x.dim() - 2, x.dim() - 1), keepdims)


@local
def cond(x: Tensor, p: Any = None) -> Tensor:
    a = _matrix(x)
    if p is None or p in (2, -2):
        s = torch.linalg.svdvals(a)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    axes = (a.dim() - 2, a.dim() - 1)
    return _matrix_norm(a, p, axes, False) * _matrix_norm(torch.linalg.inv(a), p, axes, False)


@local
def multi_dot(arrays: Tensors, *, out: Any = None) -> Tensor:
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    for left, right in itertools.pairwise(arrays):
        if left.dim() and right.dim() and left.shape[-1] != right.shape[0]:
            raise ValueError(f"shapes {tuple(left.shape)} and {tuple(right.shape)} not aligned: "
                             f"{left.shape[-1]} (dim {left.dim() - 1}) != {right.shape[0]} (dim 0)")  # fmt: skip
    return torch.linalg.multi_dot(same_dtype(*arrays))


@local
def tensorsolve(a: Tensor, b: Tensor, axes: Any = None) -> Tensor:
    x, y = same_dtype(floating(a), floating(b))
    if axes is not None:
        last = [errors.normal_axis(i, x.dim()) for i in axes]
        x = x.permute([i for i in range(x.dim()) if i not in last] + last)
    shape = x.shape[y.dim() :]
    if math.prod(shape) != y.numel():
        raise LinAlgError("Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])")
    return torch.linalg.solve(x.reshape(-1, math.prod(shape)), y.reshape(-1)).reshape(shape)


@local
def tensorinv(a: Tensor, ind: int = 2) -> Tensor:
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    return torch.linalg.tensorinv(floating(a), ind)


@local
def trace(x: Tensor, /, *, offset: int = 0, dtype: Dtype = None) -> Tensor:
    return NATIVE["trace"](wrap(x), offset, -2, -1, dtype)._tensor


@local
def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    return torch.diagonal(x, offset, -2, -1)


@local
def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    if x1.dim() != 1 or x2.dim() != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are {x1.dim()} and {x2.dim()}")
    return NATIVE["outer"](wrap(x1), wrap(x2))._tensor


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return NATIVE["cross"](x1, x2, axis=axis)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sums of products along one axis, the first factor conjugated."""
    return NATIVE["vecdot"](x1, x2, axis=axis)


def matmul(x1: Any, x2: Any, /) -> Any:
    return NATIVE["matmul"](x1, x2)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return NATIVE["tensordot"](x1, x2, axes)


def matrix_transpose(x: Any, /) -> Any:
    return NATIVE["matrix_transpose"](x)
