"""The calls that numpy_speed.py times: what NumPy code says, and what torch's does, for every kind of function.

`np` is NumPy, dlengine.numpy or jax.numpy in the first, torch in the second. The arrays are small, so that the time is
that of the call: x, y 3 x 4; p 3 x 4, positive; v of 4; s 4 x 4, positive definite; t 2 x 3 x 4; i, j 3 x 4 integers;
k indices; m a mask; z 3 x 4, complex. As NumPy does, torch looks whether weights sum to zero.
A line that starts with `~` changes an array in place: JAX has no such thing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TABLE = """
operators
    x + y                                   | x + y
    x * 1.5                                 | x * 1.5
    2 ** x                                  | 2 ** x
    x < y                                   | x < y
    -x                                      | -x
    x @ y.T                                 | x @ y.T
    m & m                                   | m & m
    i // 2                                  | i // 2
    ~ x += y                                | x += y
    ~ x *= 0.5                              | x *= 0.5
ufuncs
    np.exp(x)                               | np.exp(x)
    np.sqrt(p)                              | np.sqrt(p)
    np.isnan(x)                             | np.isnan(x)
    np.sin(i)                               | np.sin(i.double())
    np.add(x, y)                            | np.add(x, y)
    np.add(x, i)                            | np.add(x.double(), i.double())
    np.maximum(x, y)                        | np.maximum(x, y)
    np.maximum(x, 0)                        | np.clamp(x, min=0)
    np.power(p, 2)                          | np.pow(p, 2)
    np.arctan2(x, y)                        | np.atan2(x, y)
    np.logical_and(m, m)                    | np.logical_and(m, m)
    np.matmul(x, y.T)                       | np.matmul(x, y.T)
    np.vecdot(x, y)                         | (x * y).sum(-1)
reductions
    np.sum(x)                               | np.sum(x)
    np.sum(x, axis=0)                       | np.sum(x, 0)
    x.sum(axis=1, keepdims=True)            | x.sum(1, keepdim=True)
    np.mean(x, axis=0)                      | np.mean(x, 0)
    np.max(x, axis=1)                       | np.amax(x, 1)
    np.all(m)                               | np.all(m)
    np.prod(x, axis=0)                      | np.prod(x, 0)
    np.std(x, axis=0)                       | np.std(x, 0, correction=0)
    np.var(x)                               | np.var(x, correction=0)
    np.argmax(x, axis=1)                    | np.argmax(x, 1)
    np.cumsum(x, axis=0)                    | np.cumsum(x, 0)
    np.count_nonzero(x)                     | np.count_nonzero(x)
    np.nansum(x, axis=0)                    | np.nansum(x, 0)
    np.nanmean(x, axis=0)                   | np.nanmean(x, 0)
    np.ptp(x, axis=0)                       | np.amax(x, 0) - np.amin(x, 0)
    np.average(x, axis=0, weights=p)        | (w := p.sum(0)).all() and (x * p).sum(0) / w
creation
    np.zeros((3, 4))                        | np.zeros((3, 4), dtype=np.float64)
    np.ones(4)                              | np.ones(4, dtype=np.float64)
    np.full((3, 4), 1.5)                    | np.full((3, 4), 1.5, dtype=np.float64)
    np.zeros_like(x)                        | np.zeros_like(x)
    np.arange(10)                           | np.arange(10)
    np.linspace(0, 1, 5)                    | np.linspace(0, 1, 5, dtype=np.float64)
    np.eye(3)                               | np.eye(3, dtype=np.float64)
    np.array([1.0, 2.0, 3.0])               | np.tensor([1.0, 2.0, 3.0], dtype=np.float64)
    np.array(x)                             | x.clone()
    np.asarray(x)                           | x
    np.tril(s)                              | np.tril(s)
    np.diag(v)                              | np.diag(v)
    np.meshgrid(v, v)                       | [g.clone() for g in np.meshgrid(v, v, indexing="xy")]
shapes
    x.shape                                 | x.shape
    x.T                                     | x.T
    np.reshape(x, (4, 3))                   | np.reshape(x, (4, 3))
    x.reshape(-1)                           | x.reshape(-1)
    np.ravel(x)                             | np.ravel(x)
    np.transpose(t, (2, 0, 1))              | np.permute(t, (2, 0, 1))
    np.swapaxes(t, 0, 1)                    | np.swapaxes(t, 0, 1)
    np.moveaxis(t, 0, -1)                   | np.moveaxis(t, 0, -1)
    np.expand_dims(x, 1)                    | np.unsqueeze(x, 1)
    np.squeeze(x)                           | np.squeeze(x)
    np.broadcast_to(v, (3, 4))              | np.broadcast_to(v, (3, 4))
    np.concatenate([x, y])                  | np.cat([x, y])
    np.concatenate((x, y), axis=1)          | np.cat((x, y), 1)
    np.stack([x, y])                        | np.stack([x, y])
    np.hstack([x, y])                       | np.hstack([x, y])
    np.split(x, 2, axis=1)                  | np.split(x, 2, 1)
    np.tile(x, (2, 1))                      | np.tile(x, (2, 1))
    np.repeat(x, 2, axis=0)                 | np.repeat_interleave(x, 2, 0)
    np.roll(x, 1, axis=0)                   | np.roll(x, 1, 0)
    np.flip(x, axis=0)                      | np.flip(x, (0,))
    np.pad(x, 1)                            | np.nn.functional.pad(x, (1, 1, 1, 1))
    x.astype(np.float64)                    | x.to(np.float64)
    x.copy()                                | x.clone()
indexing
    x[1]                                    | x[1]
    x[1:]                                   | x[1:]
    x[:, 1]                                 | x[:, 1]
    x[1, 2]                                 | x[1, 2]
    x[None, ..., ::2]                       | x[None, ..., ::2]
    x[::-1]                                 | x.flip(0)
    x[k]                                    | x[k]
    x[m]                                    | x[m]
    x[:, k]                                 | x[:, k]
    ~ x[0] = 1.0                            | x[0] = 1.0
    ~ x[:, 1:] = y[:, 1:]                   | x[:, 1:] = y[:, 1:]
    ~ x[k] = 0.5                            | x[k] = 0.5
    ~ x[m] = 0.5                            | x[m] = 0.5
    np.take(x, k, axis=0)                   | np.index_select(x, 0, k)
    np.take_along_axis(x, j, axis=0)        | np.take_along_dim(x, j, 0)
searching
    np.where(m, x, y)                       | np.where(m, x, y)
    np.where(m, x, 0.0)                     | np.where(m, x, 0.0)
    np.where(m)                             | np.where(m)
    np.clip(x, -0.5, 0.5)                   | np.clip(x, -0.5, 0.5)
    np.sort(x, axis=1)                      | np.sort(x, dim=1, stable=True)
    np.argsort(x, axis=1)                   | np.argsort(x, dim=1, stable=True)
    np.searchsorted(v, x)                   | np.searchsorted(v, x)
    np.nonzero(m)                           | np.nonzero(m, as_tuple=True)
    np.unique(i)                            | np.unique(i)
    np.isin(i, k)                           | np.isin(i, k)
    np.bincount(k)                          | np.bincount(k)
products
    np.dot(x, s)                            | np.matmul(x, s)
    np.inner(v, v)                          | np.inner(v, v)
    np.outer(v, v)                          | np.outer(v, v)
    np.tensordot(x, s, axes=1)              | np.tensordot(x, s, 1)
    np.einsum("ij,jk->ik", x, s)            | np.einsum("ij,jk->ik", x, s)
    np.kron(v, v)                           | np.kron(v, v)
    np.trace(s)                             | np.trace(s)
    np.diagonal(s)                          | np.diagonal(s)
numerics
    np.round(x, 2)                          | np.round(x, decimals=2)
    np.diff(x, axis=0)                      | np.diff(x, dim=0)
    np.isclose(x, y)                        | np.isclose(x, y)
    np.allclose(x, y)                       | np.allclose(x, y)
    np.real(z)                              | np.real(z)
    np.median(x, axis=0)                    | np.quantile(x, 0.5, 0)
    np.quantile(x, 0.3, axis=0)             | np.quantile(x, 0.3, 0)
    np.interp(x, v, v)                      |
    np.convolve(v, v)                       |
    np.cov(x)                               | np.cov(x.double())
    np.histogram(x, 4)                      |
    np.polyval(v, x)                        |
    np.nan_to_num(x)                        | np.nan_to_num(x)
linear algebra
    np.linalg.norm(x)                       | np.linalg.vector_norm(x)
    np.linalg.norm(x, axis=0)               | np.linalg.vector_norm(x, 2, 0)
    np.linalg.inv(s)                        | np.linalg.inv(s)
    np.linalg.det(s)                        | np.linalg.det(s)
    np.linalg.solve(s, v)                   | np.linalg.solve(s, v)
    np.linalg.svd(x)                        | np.linalg.svd(x)
    np.linalg.eigh(s)                       | np.linalg.eigh(s)
    np.linalg.cholesky(s)                   | np.linalg.cholesky(s)
    np.linalg.qr(x)                         | np.linalg.qr(x)
Fourier transforms
    np.fft.fft(x)                           | np.fft.fft(x)
    np.fft.rfft(x)                          | np.fft.rfft(x)
    np.fft.fft2(x)                          | np.fft.fft2(x)
"""


class Call(NamedTuple):
    """One line of the table; `torch` is empty where torch has no such function."""

    kind: str
    numpy: str
    torch: str
    in_place: bool


def calls() -> list[Call]:
    """The table."""
    found, kind = [], ""
    for line in TABLE.strip().splitlines():
        if line[0] != " ":
            kind = line
            continue
        ours, theirs = re.split(r"\s+\|", line.strip())
        found.append(Call(kind, ours.removeprefix("~ "), theirs.strip(), ours.startswith("~ ")))
    return found
