"""Derivatives of the table's functions with all their options: first and second order, forward and reverse mode.

A line is an expression of arrays a, b and c, and what kind of array each of them is (see MAKERS in test_grad_table).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import dlengine.numpy as np
import numpy
import pytest

_spec = importlib.util.spec_from_file_location("grad_table", Path(__file__).with_name("test_grad_table.py"))
assert _spec is not None
assert _spec.loader is not None
_table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_table)

MASK = numpy.array([[True, False, True], [True, True, False]])
METHODS = "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear " \
    "median_unbiased normal_unbiased lower higher midpoint nearest"  # fmt: skip

TABLE = """
np.sum(a, axis=1, where=M) | r
np.sum(a, initial=2.0) | r
np.sum(a, axis=1, out=np.zeros(2)) | r
np.prod(a, axis=1, where=M, initial=1.5) | r
np.prod(a * np.array([[0, 1, 1], [1, 1, 1]])) | r
np.prod(a * np.array([[0, 1, 0], [1, 1, 1]]), axis=1) | r
np.mean(a, axis=1, where=M) | r
np.var(a, axis=1, where=M) | r
np.var(a, axis=1, mean=np.mean(a, axis=1, keepdims=True)) | r
np.var(a, correction=1) | r
np.std(a, axis=0, where=M)[:1] | r
np.std(a, axis=1, correction=1) | r
np.std(a * np.array([[1.0], [0.0]]), axis=1, where=M) | r
np.max(a, axis=1, where=M, initial=-9) | r
np.max(a, axis=0, initial=0.1) | r
np.min(a, axis=1, where=M, initial=9.0) | r
np.nansum(gaps(a), axis=1) | r
np.nanmean(gaps(a), axis=1) | r
np.nanvar(gaps(a), axis=1) | r
np.nanstd(gaps(a), axis=1) | r
np.nanmax(gaps(a), axis=1) | r
np.nanmin(gaps(a)) | r
np.nanprod(gaps(a), axis=1) | r
np.nanmedian(gaps(a), axis=1) | r
np.nanquantile(gaps(a), [0.3, 0.6], axis=1) | r
np.nanquantile(gaps(a), 0.4, axis=1, method="hazen") | r
np.nancumsum(gaps(a), axis=1) | r
np.nancumprod(gaps(a), axis=1) | r
np.average(a, axis=1, weights=b) | rq
np.average(a, axis=0, weights=b, returned=True)[0] | rp
np.average(a, axis=1, weights=b, keepdims=True) | rq
np.quantile(a, 0.3, axis=1, weights=[1.0, 2.0, 3.0], method="inverted_cdf") | r
np.quantile(a, 0.3, axis=(0, 1), keepdims=True) | r
np.quantile(a, np.abs(b) / 2, axis=1) | r0
np.quantile(a, np.abs(b) / 2, axis=1, method="weibull") | r0
np.cov(a, rowvar=False) | r
np.cov(a, bias=True) | r
np.cov(a, fweights=[1, 2, 1]) | r
np.cov(a, aweights=b) | rq
np.cov(a, b) | rr
np.cov(a) | v
np.corrcoef(a, b) | vv
np.corrcoef(a, rowvar=False)[:2, :2] | s
np.gradient(a)[1] | r
np.gradient(a, np.array([0.0, 1.0, 1.5, 3.0])) | w
np.gradient(a, edge_order=2) | w
np.gradient(a, 0.5, 2.0)[0] | s
np.gradient(a, b) | w0
np.trapezoid(a, b) | ww
np.trapezoid(a, b, axis=1) | rv
np.trapezoid(a, x=b, axis=0) | rr
np.trapezoid(a, dx=b) | r0
np.diff(a, prepend=0) | v
np.diff(a, append=b) | v0
np.ediff1d(a, to_begin=1.0, to_end=b) | vv
np.interp(a, [-2.0, -0.4, 0.1, 2.0], b) | vw
np.interp(a, [-0.5, -0.4, 0.1, 0.3], b, left=0.0, right=1.0) | vw
np.interp(a, [0.1, 0.4, 0.9], [1.0, 3.0, 2.0], period=1.0) | v
np.interp(a / 2, np.sort(b), [1.0, 3.0, -1.0, 2.0]) | vw
np.clip(a, b - 2, c + 2) | rvv
np.clip(a, None, 0.5) | r
np.clip(a, min=-0.5) | r
np.where(M, a, b) | r0
np.where(a > 0, a, 0.0) | r
np.where(a > b, a * b, b) | bv
np.select([a > 0, b < -1], [a, a * a], b) | rr
np.choose([[0, 3, 1]], [a, b], mode="wrap") | vr
np.choose([0, 2, 1], [a, b], mode="clip") | vv
np.piecewise(a, [a < 0, a > 1], [lambda x: x**3, 1.0, np.exp]) | r
np.pad(a, 1, mode="symmetric") | r
np.pad(a, ((2, 1), (0, 1)), mode="wrap") | r
np.pad(a, ((1, 0), (0, 2)), constant_values=((1, 2), (3, 4))) | r
np.einsum("ij->ji", a) | r
np.einsum("ij,j", a, b) | rv
np.einsum("ij,jk,kl->il", a, b, c) | rmr
np.einsum("...ij,jk->...ik", a, b) | ts
np.einsum(a, [0, 1], b, [1, 2], [0, 2]) | rm
np.einsum("ii->i", a) | s
np.einsum("bii->b", a) | t
np.einsum("i,j->ij", a, b, optimize=True) | vw
np.tensordot(a, b, axes=0) | vr
np.tensordot(a, b) | rr
np.tensordot(a, b, ([1, 2], [0, 1])) | ts
np.cross(a, b, axisa=0, axisb=0, axisc=0) | ss
np.take(a, [0, 4, -1], axis=1, mode="wrap") | r
np.take(a, [[0, 9], [2, 1]], mode="clip") | r
np.insert(a, [0, 2], b, axis=1) | r0
np.insert(a, 1, b, axis=0) | rv
np.insert(a, slice(0, 2), b) | v0
np.delete(a, [True, False, False]) | v
np.delete(a, slice(0, 2), axis=1) | r
np.concatenate([a, b], axis=None) | rv
np.stack((a, b, a), axis=1) | vv
np.repeat(a, [1, 0, 2, 1, 1, 3]) | r
np.roll(a, [1, -1], axis=(1, 1)) | r
np.linspace(a, b, 5, endpoint=False) | 00
np.linspace(a, b, 5, retstep=True)[1] | 00
np.logspace(a, b, 3, base=np.abs(c) + 1) | 000
np.geomspace(np.abs(a) + 0.1, np.abs(b) + 2, 4, endpoint=False) | 00
np.modf(a)[1] | r
np.divmod(a, b)[0] | rh
np.unwrap(a * 3, period=2.3) | v
np.nan_to_num(np.where(M, a, np.inf), posinf=3.0) | r
np.partition(a, [0, 2], axis=1)[:, 0] | r
np.apply_along_axis(np.outer, 1, a, [1.0, 2.0]) | r
np.vander(a, 4, increasing=True) | v
np.vander(a, 0) | v
np.trace(a, axis1=1, axis2=2) | t
np.diagonal(a, 1, 0, 2) | t
np.polyval(a, b) | vr
np.polyint(a, 1, b) | v0
np.polyfit(a, b, 1) | ww
np.polyfit([0.0, 1.0, 2.0, 4.0], a, 2, w=np.abs(b) + 0.1) | ww
np.polydiv(a, b)[1] | wv
np.meshgrid(a, b, indexing="ij", sparse=True)[0] | vw
np.block([[a, b], [b, a]]) | ss
np.add.reduce(a, axis=1, where=M) | r
np.multiply.reduce(a, axis=None) | r
np.maximum.reduce(a, axis=1, initial=0.1) | r
np.subtract.reduce(a, axis=1) | r
np.hypot.reduce(a, axis=0) | r
np.divide.reduce(a, axis=1, keepdims=True) | r
np.multiply.accumulate(a, axis=0) | r
np.maximum.accumulate(a, axis=1) | r
np.subtract.accumulate(a, axis=1) | r
np.logaddexp.accumulate(a, axis=1) | r
np.arctan2.outer(a, b) | vw
np.power.outer(np.abs(a) + 0.1, b) | vw
np.add.reduceat(a, [0, 2, 1], axis=1) | r
np.multiply.reduceat(a, [0, 2]) | v
np.maximum.reduceat(a, [0, 1], axis=0) | r
written(np.add.at, a, ([0, 1, 0], [1, 1, 1]), b) | rv
written(np.subtract.at, a, [0, 0, 2], b) | vv
written(np.multiply.at, a, [0, 0, 2], b) | vv
written(np.maximum.at, a, [0, 1, 2], b) | vv
written(np.square.at, a, [0, 2]) | v
written(np.divide.at, a, [0, 0, 1], b) | vv
np.add(a, b, where=M, out=a * 1.0) | rr
np.multiply(a, b, out=np.zeros((2, 3))) | rv
np.exp(a, where=M, out=np.ones((2, 3))) | r
np.matmul(a, b, axes=[(0, 1), (0, 1), (0, 1)]) | ss
np.vecdot(a, b, axis=0) | rr
np.matmul(a, b, out=np.zeros((2, 2))) | rm
np.power(a, 3.0) | r
np.power(2.0, a) | r
a**0 + a**1 + (a * 0) ** 2 | r
1 / a + (2 - a) + abs(a) + 3.3 % np.abs(a) | g
a // 0.37 + a % 0.37 + divmod(a, 0.37)[1] | r
np.copysign(a, b) | rv
np.linalg.svd(a, full_matrices=False)[0] ** 2 | r
rebuilt(np.linalg.svd(a, full_matrices=False)) | r
np.linalg.svd(a, compute_uv=False) | t
np.linalg.eigh((a + a.T) / 2)[1] ** 2 | d
np.linalg.eigh((a + a.T) / 2, UPLO="U")[0] | d
np.linalg.qr(a)[0] | s
np.linalg.qr(a, mode="r") | m
np.linalg.cholesky((a + a.T) / 2, upper=True) | d
np.linalg.slogdet(a).logabsdet | t
np.linalg.pinv((a + a.T) / 2, hermitian=True) | d
np.linalg.lstsq(a, b)[0] | mm
np.linalg.lstsq(a, b)[1] | mv
np.linalg.norm(a, axis=(0, 1)) | r
np.linalg.norm(a, ord=1, axis=(1, 2)) | t
np.linalg.norm(a, axis=1, keepdims=True) | r
np.linalg.matrix_norm(a, ord="nuc", keepdims=True) | t
np.linalg.vector_norm(a, axis=(0, 1), ord=4) | r
np.linalg.solve(a, b) | tt
np.linalg.matrix_power(a, 5) | s
np.linalg.multi_dot([a, b, c]) | vsv
np.fft.fft2(a, s=(3, 3), axes=(1, 0)) | c
np.fft.rfftn(a, s=(4, 2), axes=(0, 1)) | r
np.fft.irfft2(a, s=(3, 4)) | c
np.fft.irfft(a, n=3) | c
a.conj() * a + np.abs(a) + np.angle(a) | c
np.exp(a) / a + a**2 | c
a**b | cc
np.prod(a) + np.mean(a) + np.var(a) + np.std(a) | c
np.cumprod(a, axis=1) + np.cumsum(a, axis=1) | c
np.sinh(a) + np.cosh(a) + np.tan(a) + np.sinc(a) | c
np.linalg.norm(a) + np.vdot(a, a) | c
np.linalg.solve(a, a.T) | k
np.linalg.svd(a)[1] | k
np.arctan(a) + np.arcsin(a / 3) + np.arccos(a / 3) + np.arccosh(a) + np.arcsinh(a) + np.arctanh(a / 3) | c
np.expm1(a) + np.log1p(a) + np.exp2(a) + np.log2(a) + np.log10(a) | c
np.einsum("ij,kj->ik", a, a.conj()) + np.cov(a) | c
np.convolve(a[0], a[1]) + np.correlate(a[0], a[1], "full") | c
np.lib.stride_tricks.sliding_window_view(a, (2, 2)) | r
np.lib.stride_tricks.as_strided(a, (2, 2), (8, 8)) | v
"""

LINES = [line.rsplit(" | ", 1) for line in TABLE.strip().splitlines()]
LINES += [[f'np.quantile(a, 0.37, axis=1, method="{method}")', "r"] for method in METHODS.split()]
LINES += [[f"np.linalg.norm(a, {order})", "s"] for order in ("None", "'fro'", "'nuc'", "1", "-1", "2", "-2", "np.inf")]
LINES += [[f"np.linalg.norm(a, {order})", "v"] for order in ("None", "1", "2", "3", "0.5", "np.inf", "-np.inf")]
LINES += [[f"np.linalg.cond(a, {order})", "d"] for order in ("None", "1", "2", "-2", "'fro'", "np.inf")]
LINES += [
    [f'np.fft.{name}(a, n=5, norm="forward").real', "r"] for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
]
REPAIRED = ("where=M)[:1]", "[0.0]]), axis=1, where=M)", "nanvar", "nanstd", "hazen", "np.gradient(a, b)",
    "vander(a, 0)", "multiply.at", "divide.at", 'mode="r"', "weights=[")  # fmt: skip


def rebuilt(parts: tuple) -> np.ndarray:
    u, s, vh = parts
    return (u * s) @ vh


def function_of(text: str, kinds: str) -> Callable:
    space = {
        "np": np, "M": MASK, "written": _table.written, "rebuilt": rebuilt,
        "gaps": lambda x: np.where(MASK, x, np.nan),
    }  # fmt: skip
    return eval(f"lambda {', '.join('abc'[: len(kinds)])}: {text}", space)


def check(text: str, kinds: str, order: int) -> None:
    np.check_grads(function_of(text, kinds), order=order)(*_table.arguments(text, kinds))


@pytest.mark.parametrize(
    ("text", "kinds"), [line for line in LINES if any(word in line[0] for word in REPAIRED)], ids=lambda text: text
)
def test_first_derivatives_that_were_wrong(text: str, kinds: str) -> None:
    check(text, kinds, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "kinds"), LINES, ids=lambda text: text)
def test_first_and_second_derivatives_with_every_option(text: str, kinds: str) -> None:
    check(text, kinds, 2)


BY_VALUE = ("aweights", "polydiv", "lstsq")  # they decide by values, which vmap does not show


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "kinds"), [line for line in LINES if not any(word in line[0] for word in BY_VALUE)], ids=lambda text: text
)
def test_every_option_inside_vmap(text: str, kinds: str) -> None:
    function = function_of(text, kinds)
    pairs = [np.stack([each, each * 1.01]) for each in _table.arguments(text, kinds)]
    mapped = numpy.asarray(np.vmap(function)(*pairs))
    for index in range(2):
        alone = numpy.asarray(function(*[pair[index] for pair in pairs]))
        numpy.testing.assert_allclose(mapped[index], alone, rtol=1e-6, atol=1e-9)
