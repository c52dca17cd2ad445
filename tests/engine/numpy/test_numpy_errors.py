"""Bad input, call by call: NumPy's exception class, in words that speak of arrays and not of torch."""

from __future__ import annotations

import operator
import re
import warnings
from typing import Any

import dlengine.numpy as np
import numpy
import pytest

CALLS = """
np.add(z((2, 3)), z(4))
z((2, 3))+z(4)
z((2, 3))<z(4)
z((2, 3))**z(4)
np.where(z((2, 3))>0, z(4), z(3))
np.clip(z((2, 3)), z(4), None)
np.maximum(z((2, 3)), z(4))
np.matmul(z((2, 3)), z((4, 2)))
np.dot(z((2, 3)), z((4, 2)))
np.inner(z((2, 3)), z((2, 4)))
np.vdot(z((2, 3)), z((4, 2)))
np.vecdot(z((2, 3)), z((4, 2)))
np.tensordot(z((2, 3)), z((4, 2)), 1)
np.einsum("ij, jk", z((2, 3)), z((4, 2)))
np.einsum("ij, jk", z((2, 3)), z((4, )))
np.cross(z((2, 3)), z((4, 2)))
np.concatenate([z((2, 3)), z((2, 4))])
np.concatenate([z((2, 3)), z((2, ))])
np.stack([z((2, 3)), z((2, 4))])
np.hstack([z((2, 3)), z((3, 3))])
np.vstack([z((2, 3)), z((2, 4))])
np.column_stack([z((2, 3)), z((3, ))])
np.broadcast_to(z((2, 3)), (4, ))
np.broadcast_arrays(z((2, 3)), z(4))
np.reshape(z((2, 3)), (4, 2))
z((2, 3)).reshape(-1, 4)
z((2, 3)).reshape(-1, -1)
np.split(z(5), 2)
np.squeeze(z((2, 3)), 0)
np.transpose(z((2, 3)), (0, 0))
np.transpose(z((2, 3)), (0, 1, 2))
np.swapaxes(z((2, 3)), 0, 5)
np.moveaxis(z((2, 3)), 0, 5)
np.expand_dims(z((2, 3)), 7)
np.sum(z((2, 3)), axis=2)
np.sum(z((2, 3)), axis=(0, 0))
np.mean(z((2, 3)), axis=-3)
np.max(z((2, 3)), axis=4)
np.argmax(z((2, 3)), axis=4)
np.sort(z((2, 3)), axis=4)
np.argsort(z((2, 3)), axis=4)
np.cumsum(z((2, 3)), axis=4)
np.take(z((2, 3)), [5], axis=1)
np.take(z((2, 3)), [0], axis=3)
np.take_along_axis(z((2, 3)), z((2, 3), int), axis=5)
np.take_along_axis(z((2, 3)), z((2, ), int), axis=1)
np.repeat(z((2, 3)), [1, 2], axis=1)
np.roll(z((2, 3)), 1, axis=3)
np.flip(z((2, 3)), axis=3)
np.diff(z((2, 3)), axis=3)
np.diff(z(3), n=-1)
np.linalg.inv(z((2, 3)))
np.linalg.inv(z((2, 2)))
np.linalg.inv(z(3))
np.linalg.solve(z((2, 2))+np.eye(2), z(3))
np.linalg.solve(z((2, 3)), z(3))
np.linalg.det(z((2, 3)))
np.linalg.cholesky(-np.eye(2))
np.linalg.cholesky(z((2, 3)))
np.linalg.eigh(z((2, 3)))
np.linalg.svd(z(3))
np.linalg.lstsq(z((2, 3)), z(3))
np.linalg.norm(z((2, 3)), ord=7)
np.linalg.norm(z((2, 3)), axis=5)
np.linalg.matrix_power(z((2, 3)), 2)
np.linalg.multi_dot([z((2, 3)), z((4, 2))])
np.fft.fft(z((2, 3)), axis=4)
np.fft.fft(z((2, 3)), n=0)
np.average(z((2, 3)), weights=z(2))
np.average(z((2, 3)), axis=1, weights=z(2))
np.interp(z(3), z(3), z(4))
np.searchsorted(z((2, 3)), 1)
np.bincount(np.array([-1, 2]))
np.bincount(np.array([1.5]))
np.histogram(z(3), bins=0)
np.histogram(z(3), bins=[3, 1])
np.digitize(z(3), [1, 3, 2])
np.polyfit(z(3), z(4), 1)
np.trace(z(3))
np.diagonal(z(3))
np.diag(z((2, 3, 4)))
np.kron(z((2, 3)), "a")
np.cov(z((2, 3, 4)))
np.convolve(z((2, 3)), z(3))
np.convolve(z(0), z(3))
np.pad(z((2, 3)), -1)
np.pad(z((2, 3)), 1, mode="nope")
np.quantile(z(3), 1.5)
np.percentile(z(3), 101)
np.quantile(z(3), 0.5, method="nope")
np.median(z((2, 3)), axis=5)
np.zeros(-1)
np.zeros("a")
np.arange(0, 1, 0)
np.linspace(0, 1, -1)
np.eye(-1)
np.full((2, ), [1, 2, 3])
np.array([[1, 2], [3]])
np.ones(3)[5]
np.ones((2, 3))[0, 9]
np.ones((2, 3))[[0, 9]]
np.ones((2, 3))[np.array([True, False, True])]
np.ones((2, 3))[0, 0, 0]
np.ones(3)["a"]
np.ones(3)[1.5]
put(np.ones((2, 3)), 0, [1, 2])
put(np.ones((2, 3)), slice(None), np.ones((3, 3)))
put(np.ones((2, 3)), ([0, 1], [0, 1]), [1, 2, 3])
put(np.arange(3), 0, "a")
iadd(np.arange(3), 1.5)
iadd(np.ones(3), np.ones((2, 3)))
np.add(np.ones(3), np.ones(3), out=np.ones(2))
np.add(np.ones(3), np.ones(3), out=np.ones(3, int))
np.sum(np.ones((2, 3)), axis=0, out=np.ones(2))
np.exp(np.ones(3), out=np.ones(3, int))
np.ones(3).astype(int, casting="safe")
np.copyto(np.ones(3, int), np.ones(3))
np.copyto(np.ones(3), np.ones(2))
np.bitwise_and(np.ones(2), 1)
np.invert(np.ones(2))
np.left_shift(np.ones(2), 1)
np.array([True])-np.array([True])
-np.array([True])
np.ones(3)@np.ones(2)
np.ones(3)@2
2@np.ones(3)
np.ones(3)+"a"
np.ones(3)+None
np.ones(3)+{}
bool(np.ones(2))
bool(np.ones(0))
float(np.ones(2))
int(np.ones(2))
complex(np.ones(2))
len(np.array(1.0))
list(np.array(1.0))
np.ones(3).item(5)
np.ones(3).item()
[1, 2, 3][np.ones(3)]
range(np.array(1.5))
np.power(np.array([2]), -1)
np.array([2])**-1
np.max(np.ones(0))
np.argmax(np.ones(0))
np.min(np.ones((0, 3)), axis=0)
np.nanmax(np.ones(0))
np.nanargmax(np.array([np.nan]))
np.unravel_index(9, (2, 3))
np.ravel_multi_index((3, 0), (2, 3))
np.choose([0, 5], [1, 2])
np.select([np.ones(2)>0], [1, 2])
np.insert(np.ones(3), 9, 1)
np.delete(np.ones(3), 9)
np.putmask(np.ones(3), np.ones(2)>0, 1)
np.put(np.ones(3), [9], 1)
np.place(np.ones(3), np.ones(3)>0, [])
np.apply_along_axis(np.sum, 3, np.ones((2, 3)))
np.random.default_rng(0).choice(3, 5, replace=False)
np.random.default_rng(0).normal(0, -1)
np.random.default_rng(0).integers(3, 1)
np.random.default_rng(0).normal(np.ones(3), np.ones(2))
np.random.default_rng(0).shuffle(3)
np.random.default_rng(0).choice([])
np.vander(np.ones((2, 3)))
np.meshgrid(1, 2, indexing="a")
np.gradient(np.ones(1))
np.lexsort(np.ones((2, 3)), axis=5)
np.partition(np.ones(3), 7)
np.argpartition(np.ones(3), 7)
np.rot90(np.ones(3))
np.fliplr(np.ones(3))
np.block([[np.ones((2, 2)), np.ones((3, 2))]])
np.array(3)[0]
np.array(3)[None][3]
np.ones((2, 3)).T.nothing
np.logspace(0, 1, num=1.5)
np.unstack(np.ones(()))
np.cumulative_sum(np.ones((2, 3)))
np.count_nonzero(np.ones((2, 3)), axis=3)
np.ptp(np.array([True]))
np.compress([True]*5, np.ones(3))
np.extract([True]*5, np.ones(3))
np.packbits(np.ones(3))
np.unpackbits(np.ones(3))
np.corrcoef(np.ones((2, 3)), np.ones((2, 4)))
np.resize(np.ones(3), (-1, ))
"""


def put(array: Any, key: Any, value: Any) -> None:
    array[key] = value


def refused(space: Any, text: str) -> Exception:
    names = {"np": space, "z": lambda shape, dtype=float: space.zeros(shape, dtype=dtype), "put": put,
        "iadd": operator.iadd}  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is compared below
            eval(text, names)
    return caught.value


@pytest.mark.parametrize("text", CALLS.strip().splitlines())
def test_a_bad_call_is_refused_as_by_numpy(text: str) -> None:
    theirs, ours = refused(numpy, text), refused(np, text)
    kinds = {"UFuncTypeError": TypeError, "_UFuncOutputCastingError": TypeError, "_UFuncNoLoopError": TypeError}
    assert isinstance(ours, kinds.get(type(theirs).__name__, type(theirs))), repr(ours)
    assert not re.search(r"\btorch\b|Tensor|invalid combination|must match the size", str(ours)), ours
