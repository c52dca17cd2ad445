"""Every differentiable function of the table against finite differences, in forward and reverse mode.

A fast test checks one call of each; the slow ones every variant, to second order, for all arguments and for each alone.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator

import dlengine.numpy as np
import numpy
import pytest
from dlengine.numpy.native import NATIVE

# What makes an argument. Values are distinct, and far from integers, halves and zero, where functions have kinks.
GRID = numpy.array([0.3, -0.7, 1.2, -1.35, 1.8, -0.2, 0.65, -1.1, 1.4])
MAKERS: dict[str, Callable[[numpy.random.Generator], numpy.ndarray]] = {
    "r": lambda rng: rng.permutation(GRID)[:6].reshape(2, 3),
    "p": lambda rng: numpy.abs(MAKERS["r"](rng)) + 0.15,  # positive
    "u": lambda rng: MAKERS["r"](rng) / 2,  # between -1 and 1
    "g": lambda rng: numpy.abs(MAKERS["r"](rng)) + 1.1,  # greater than 1
    "v": lambda rng: rng.permutation(GRID)[:3],
    "w": lambda rng: rng.permutation(GRID)[:4],
    "q": lambda rng: numpy.abs(MAKERS["v"](rng)) + 0.15,
    "0": lambda rng: rng.permutation(GRID)[0],
    "b": lambda rng: rng.permutation(GRID)[:2].reshape(2, 1),  # a column
    "h": lambda rng: 0.77 + 0.004 * rng.permutation(6).reshape(2, 3),  # no multiple of it is on the grid
    "s": lambda rng: rng.permutation(GRID).reshape(3, 3) + 2 * numpy.eye(3),
    "d": lambda rng: (lambda a: a @ a.T + 2 * numpy.eye(3))(rng.permutation(GRID).reshape(3, 3)),
    "t": lambda rng: rng.normal(size=(2, 3, 3)) + 3 * numpy.eye(3),  # a stack of matrices
    "m": lambda rng: rng.permutation(GRID)[:6].reshape(3, 2),
    "c": lambda rng: MAKERS["r"](rng) + 1j * MAKERS["r"](rng),
    "k": lambda rng: MAKERS["s"](rng) + 1j * MAKERS["s"](rng),
}

Variant = tuple[Callable, str]


def axes(*options: dict) -> list[dict]:
    """Reductions: over everything, one axis, several, with and without the axes kept, and other options."""
    places = [{}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}, {"axis": 1, "keepdims": True}]
    return [place | option for place in places for option in (options or ({},))]


def of(name: str, kinds: str, *options: dict) -> list[Variant]:
    """A function called with arrays alone, once for each set of options."""
    return [(lambda *args, o=option: call(name)(*args, **o), kinds) for option in options or ({},)]


def written(function: Callable, goal: np.ndarray, *args) -> np.ndarray:
    """What a function leaves in a copy of its first argument."""
    goal = goal * 1
    function(goal, *args)
    return goal**2


def call(name: str) -> Callable:
    module, _, leaf = name.rpartition(".")
    return getattr(getattr(np, module), leaf) if module else getattr(np, leaf)


UNARY = {
    "r": "absolute arctan arcsinh cbrt ceil conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs floor negative "
    "positive rad2deg radians reciprocal rint sign sin sinh square tan tanh trunc fix sinc i0 real copy round "
    "ravel transpose flip fliplr flipud rot90 atleast_1d atleast_2d atleast_3d squeeze matrix_transpose triu tril "
    "asarray asanyarray ascontiguousarray asfortranarray array asarray_chkfinite require",
    "p": "log log10 log1p log2 sqrt",
    "u": "arccos arcsin arctanh",
    "g": "arccosh",
    "c": "real imag angle conjugate exp sin cos tanh square sqrt log absolute real_if_close",
}
BINARY = {
    "rr": "add subtract multiply divide maximum minimum fmax fmin arctan2 copysign logaddexp logaddexp2 hypot "
    "heaviside",
    "rh": "fmod remainder floor_divide",
    "pp": "power divide arctan2 hypot float_power",
    "cc": "add subtract multiply divide",
}
REDUCTIONS = "sum mean max min ptp prod var std median nansum nanmean nanmax nanmin nanprod nanvar nanstd nanmedian"

CASES: dict[str, list[Variant]] = {
    "cumsum": of("cumsum", "r", {}, {"axis": 0}, {"axis": 1}),
    "cumprod": of("cumprod", "r", {}, {"axis": 0}, {"axis": 1}),
    "nancumsum": of("nancumsum", "r", {}, {"axis": 1}),
    "nancumprod": of("nancumprod", "r", {}, {"axis": 1}),
    "cumulative_sum": of("cumulative_sum", "v") + of("cumulative_sum", "r", {"axis": 1, "include_initial": True}),
    "cumulative_prod": of("cumulative_prod", "v") + of("cumulative_prod", "r", {"axis": 0}),
    "average": [
        (lambda x, w: np.average(x, weights=w), "rp"),
        *of("average", "r", {}, {"axis": 1}, {"weights": [1.0, 2.0, 3.0], "axis": 1}),
    ],
    "quantile": [(lambda x: np.quantile(x, 0.3), "r"), (lambda x: np.quantile(x, [0.2, 0.7], axis=1), "r")],
    "percentile": [(lambda x: np.percentile(x, 30), "r"), (lambda x: np.percentile(x, [20, 70], axis=0), "r")],
    "nanquantile": [(lambda x: np.nanquantile(x, 0.3), "r")],
    "nanpercentile": [(lambda x: np.nanpercentile(x, 30, axis=1), "r")],
    "matmul": of("matmul", "rm") + of("matmul", "rv") + of("matmul", "vm") + of("matmul", "vv") + of("matmul", "ts"),
    "dot": of("dot", "rm") + of("dot", "vv") + of("dot", "0r") + of("dot", "rv") + of("dot", "ts"),
    "inner": of("inner", "rr") + of("inner", "vv"),
    "outer": of("outer", "vw") + of("outer", "rv"),
    "vdot": of("vdot", "vv") + of("vdot", "cc"),
    "vecdot": of("vecdot", "rr") + of("vecdot", "cc"),
    "matvec": of("matvec", "sv") + of("matvec", "rr"),
    "vecmat": of("vecmat", "vs") + of("vecmat", "cm"),
    "kron": of("kron", "rv") + of("kron", "rm"),
    "cross": of("cross", "vv") + of("cross", "rr"),
    "tensordot": [
        (lambda a, b: np.tensordot(a, b, axes=1), "rm"),
        (lambda a, b: np.tensordot(a, b, ((0,), (0,))), "rr"),
    ],
    "einsum": [(lambda a, b: np.einsum("ij,jk->ik", a, b), "rm"), (lambda a: np.einsum("ii", a), "s")],
    "trace": of("trace", "s", {}, {"offset": 1}),
    "diagonal": of("diagonal", "s", {}, {"offset": -1}),
    "diag": of("diag", "v") + of("diag", "s"),
    "diagflat": of("diagflat", "r"),
    "vander": of("vander", "v"),
    "convolve": of("convolve", "vw", {}, {"mode": "same"}, {"mode": "valid"}),
    "correlate": of("correlate", "wv", {}, {"mode": "full"}),
    "diff": of("diff", "r", {}, {"axis": 0}, {"n": 2}),
    "ediff1d": of("ediff1d", "v"),
    "gradient": [(lambda x: np.gradient(x), "w"), (lambda x: np.gradient(x, 2.0, axis=1), "r")],
    "trapezoid": of("trapezoid", "r", {}, {"axis": 0}, {"dx": 0.5}),
    "cov": of("cov", "r"),
    "corrcoef": of("corrcoef", "r"),
    "clip": [(lambda x: np.clip(x, -0.5, 1.0), "r"), (lambda x, a: np.clip(x, a, None), "rb")],
    "where": [(lambda a, b: np.where(numpy.array([True, False, True]), a, b), "rv")],
    "select": [(lambda a, b: np.select([a > 0, b > 0], [a, b * 2], 1.0), "rr")],
    "choose": [(lambda a, b: np.choose([0, 1, 0], [a, b]), "vv")],
    "piecewise": [(lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda x: x**2, lambda x: -x]), "v")],
    "interp": [(lambda x: np.interp(x, [-2.0, -0.4, 0.1, 2.0], [1.0, 3.0, -1.0, 2.0]), "v")],
    "polyval": [(lambda p, x: np.polyval(p, x), "vv")],
    "sort": of("sort", "r", {}, {"axis": 0}, {"axis": None}),
    "partition": [(lambda x: np.sort(np.partition(x, 1)[:, :2], axis=1), "r")],
    "concatenate": [(lambda a, b: np.concatenate([a, b]), "rr"), (lambda a, b: np.concatenate([a, b], axis=1), "rb")],
    "stack": [(lambda a, b: np.stack([a, b]), "rr"), (lambda a, b: np.stack([a, b], axis=-1), "rr")],
    "unstack": [(lambda a: np.unstack(a)[1], "r")],
    "block": [(lambda a, b: np.block([[a, b]]), "rb")],
    "append": [(lambda a, b: np.append(a, b, axis=1), "rb"), (lambda a, b: np.append(a, b), "rv")],
    "insert": [(lambda a: np.insert(a, 1, 0.5, axis=1), "r")],
    "delete": [(lambda a: np.delete(a, 1, axis=1), "r")],
    "repeat": [(lambda a: np.repeat(a, 2), "r"), (lambda a: np.repeat(a, [1, 2, 0], axis=1), "r")],
    "tile": [(lambda a: np.tile(a, (2, 2)), "r")],
    "roll": [(lambda a: np.roll(a, 1), "r"), (lambda a: np.roll(a, (1, 2), axis=(0, 1)), "r")],
    "rollaxis": [(lambda a: np.rollaxis(a, 1), "r")],
    "moveaxis": [(lambda a: np.moveaxis(a, 0, -1), "t")],
    "swapaxes": [(lambda a: np.swapaxes(a, 0, 1), "r")],
    "permute_dims": [(lambda a: np.permute_dims(a, (1, 0)), "r")],
    "reshape": [(lambda a: np.reshape(a, (3, 2)), "r"), (lambda a: np.reshape(a, -1, order="F"), "r")],
    "resize": [(lambda a: np.resize(a, (3, 3)), "r")],
    "expand_dims": [(lambda a: np.expand_dims(a, (0, 2)), "r")],
    "broadcast_to": [(lambda a: np.broadcast_to(a, (2, 3)), "v")],
    "broadcast_arrays": [(lambda a, b: np.broadcast_arrays(a, b)[1], "rv")],
    "meshgrid": [(lambda a, b: np.meshgrid(a, b)[1], "vw")],
    "pad": [
        (lambda a: np.pad(a, 1), "r"),
        (lambda a: np.pad(a, ((0, 1), (2, 0)), mode="edge"), "r"),
        (lambda a: np.pad(a, 1, mode="reflect"), "r"),
    ],
    "split": [(lambda a: np.split(a, 3, axis=1)[1], "r")],
    "array_split": [(lambda a: np.array_split(a, 2, axis=1)[0], "r")],
    "take": [(lambda a: np.take(a, [0, 2, 2], axis=1), "r"), (lambda a: np.take(a, [5, 0]), "r")],
    "take_along_axis": [(lambda a: np.take_along_axis(a, numpy.array([[0], [2]]), 1), "r")],
    "compress": [(lambda a: np.compress([True, False, True], a, axis=1), "r")],
    "extract": [(lambda a: np.extract(a > 0, a), "r")],
    "linspace": [(lambda a, b: np.linspace(a, b, 5), "00"), (lambda a, b: np.linspace(a, b, 4, axis=1), "vv")],
    "logspace": [(lambda a, b: np.logspace(a, b, 4), "00")],
    "geomspace": [(lambda a: np.geomspace(a[0], a[1], 4), "q")],
    "full": [(lambda a: np.full((2, 3), a), "0")],
    "full_like": [(lambda a: np.full_like(numpy.ones(2), a), "0")],
    "modf": [(lambda x: np.modf(x)[0], "r")],
    "divmod": [(lambda a, b: np.divmod(a, b)[1], "rh")],
    "unwrap": [(lambda x: np.unwrap(x * 3), "v")],
    "trim_zeros": of("trim_zeros", "v"),
    "astype": [(lambda x: np.astype(x, complex), "r")],
    "ldexp": [(lambda x: np.ldexp(x, 3), "r")],
    "nan_to_num": of("nan_to_num", "r"),
    "poly": of("poly", "v"),
    "polyadd": of("polyadd", "vw"),
    "polysub": of("polysub", "vw"),
    "polymul": of("polymul", "vw"),
    "polyder": of("polyder", "w"),
    "polyint": of("polyint", "w"),
    "polyfit": [(lambda y: np.polyfit(numpy.array([0.0, 1.0, 2.0, 4.0]), y, 1), "w")],
    "polydiv": [(lambda u, v: np.polydiv(u, v)[0], "wv")],
    "apply_along_axis": [(lambda a: np.apply_along_axis(lambda row: np.cumsum(row) ** 2, 1, a), "r")],
    "copyto": [(lambda a: written(np.copyto, np.zeros((2, 3)), a), "r")],
    "fill_diagonal": [(lambda a, b: written(np.fill_diagonal, a, b), "s0")],
    "put": [(lambda a, b: written(np.put, a, [0, 4], b), "r0")],
    "place": [(lambda a, b: written(np.place, a, numpy.eye(2, 3) > 0, b), "rv")],
    "putmask": [(lambda a, b: written(np.putmask, a, numpy.eye(2, 3) > 0, b), "rr")],
    "put_along_axis": [(lambda a, b: written(np.put_along_axis, a, numpy.array([[2], [0]]), b, 1), "r0")],
    "apply_over_axes": [(lambda a: np.apply_over_axes(np.sum, a, [0]), "r")],
    "linalg.det": of("linalg.det", "s") + of("linalg.det", "t"),
    "linalg.slogdet": [(lambda a: np.linalg.slogdet(a)[1], "s")],
    "linalg.inv": of("linalg.inv", "s") + of("linalg.inv", "t") + of("linalg.inv", "k"),
    "linalg.pinv": of("linalg.pinv", "m"),
    "linalg.solve": of("linalg.solve", "sv") + of("linalg.solve", "ss"),
    "linalg.cholesky": [(lambda a: np.linalg.cholesky((a + a.T) / 2), "d")],
    "linalg.qr": [(lambda a: np.linalg.qr(a)[1], "s")],
    "linalg.svd": [(lambda a: np.linalg.svd(a, full_matrices=False)[1], "r")],
    "linalg.svdvals": of("linalg.svdvals", "r"),
    "linalg.eigh": [(lambda a: np.linalg.eigh((a + a.T) / 2)[0], "d")],
    "linalg.eigvalsh": [(lambda a: np.linalg.eigvalsh((a + a.T) / 2), "d")],
    "linalg.norm": of("linalg.norm", "r", {}, {"axis": 1}, {"ord": 1, "axis": 0}, {"ord": "nuc"}, {"ord": 2}),
    "linalg.vector_norm": of("linalg.vector_norm", "r", {}, {"axis": 1, "ord": 3}),
    "linalg.matrix_norm": of("linalg.matrix_norm", "r"),
    "linalg.matrix_power": [
        (lambda a: np.linalg.matrix_power(a, 3), "s"),
        (lambda a: np.linalg.matrix_power(a, -2), "s"),
    ],
    "linalg.multi_dot": [(lambda a, b, c: np.linalg.multi_dot([a, b, c]), "rmr")],
    "linalg.lstsq": [(lambda a, b: np.linalg.lstsq(a, b)[0], "mv")],
    "linalg.tensorsolve": of("linalg.tensorsolve", "sv"),
    "linalg.tensorinv": of("linalg.tensorinv", "s", {"ind": 1}),
    "linalg.trace": of("linalg.trace", "s"),
    "linalg.diagonal": of("linalg.diagonal", "s"),
    "linalg.outer": of("linalg.outer", "vw"),
    "linalg.cross": of("linalg.cross", "vv"),
    "linalg.matmul": of("linalg.matmul", "rm"),
    "linalg.vecdot": of("linalg.vecdot", "rr"),
    "linalg.tensordot": [(lambda a, b: np.linalg.tensordot(a, b, axes=1), "rm")],
    "linalg.matrix_transpose": of("linalg.matrix_transpose", "r"),
    "linalg.cond": of("linalg.cond", "d"),
    "linalg.eig": [(lambda a: np.linalg.eig((a + a.T) / 2)[0].real.sum(), "d")],
    "linalg.eigvals": [(lambda a: (np.linalg.eigvals(a) ** 2).real.sum(), "d")],
}
for kind, names in UNARY.items():
    for each in names.split():
        CASES[each] = CASES.get(each, []) + of(each, kind)
for kinds, names in BINARY.items():
    for each in names.split():
        CASES[each] = CASES.get(each, []) + of(each, kinds)
        if kinds == "rr":
            CASES[each] += of(each, "rv") + of(each, "br") + of(each, "0r")
for each in REDUCTIONS.split():
    CASES[each] = of(each, "r", *axes(*([{}, {"ddof": 1}] if "var" in each or "std" in each else [{}])))
for each in ("hstack", "vstack", "dstack", "column_stack", "row_stack", "concat"):
    CASES[each] = [(lambda a, b, n=each: call(n)([a, b]), "rr")]
for each in ("hsplit", "vsplit", "dsplit"):
    CASES[each] = [(lambda a, n=each: call(n)(a, [1])[0], "t")]
for each in ("fft", "ifft", "rfft", "hfft"):
    CASES[f"fft.{each}"] = of(f"fft.{each}", "r", {}, {"n": 4}, {"axis": 0}, {"norm": "ortho"})
for each in ("irfft", "ihfft"):
    CASES[f"fft.{each}"] = of(f"fft.{each}", "r" if each == "ihfft" else "c", {}, {"norm": "forward"})
for each in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"):
    CASES[f"fft.{each}"] = of(f"fft.{each}", "c" if "ir" in each else "r", {}, {"norm": "ortho"})
for each in ("fftshift", "ifftshift"):
    CASES[f"fft.{each}"] = of(f"fft.{each}", "r", {}, {"axes": 0})

# Other names of the same functions.
ALIASES = {name: found.__name__ for name, found in NATIVE.items() if found.__name__ != name and name not in CASES}

NOT_DIFFERENTIABLE = {
    "it answers yes or no": "all allclose any array_equal array_equiv equal greater greater_equal isclose iscomplex "
    "iscomplexobj isdtype isfinite isfortran isin isinf isnan isneginf isposinf isreal isrealobj isscalar iterable "
    "less less_equal logical_and logical_not logical_or logical_xor may_share_memory not_equal shares_memory signbit",
    "it gives integers, places or counts": "argmax argmin argpartition argsort argwhere bincount bitwise_and "
    "bitwise_count bitwise_or bitwise_xor count_nonzero digitize flatnonzero gcd histogram histogram2d "
    "histogram_bin_edges histogramdd invert lcm left_shift lexsort nanargmax nanargmin ndim nonzero packbits "
    "ravel_multi_index right_shift searchsorted shape size unpackbits unravel_index linalg.matrix_rank",
    "it gives a type": "common_type result_type",
    "it makes an array from no array": "arange bartlett blackman diag_indices diag_indices_from empty empty_like eye "
    "from_dlpack fromfunction hamming hanning identity indices ix_ kaiser load mask_indices ones ones_like tri "
    "tril_indices tril_indices_from triu_indices triu_indices_from zeros zeros_like fft.fftfreq fft.rfftfreq",
    "its elements are the argument's, chosen by value": "intersect1d setdiff1d setxor1d sort_complex union1d unique "
    "unique_all unique_counts unique_inverse unique_values",
    "it takes a floating-point number apart": "frexp nextafter spacing",
    "its values have no order: compare them by hand": "roots",
}


def test_every_function_has_a_case_or_a_reason_against_one():
    reasons = {name for names in NOT_DIFFERENTIABLE.values() for name in names.split()}
    known = set(CASES) | set(ALIASES) | reasons
    spaces = {f"{space}.{name}" for space in ("linalg", "fft") for name in getattr(np, space).__all__}
    assert (set(NATIVE) | spaces) - {"linalg.LinAlgError"} - known == set()
    assert {name for name in known if "." not in name} - set(NATIVE) == set()
    assert not reasons & set(CASES)


def variants() -> Iterator[tuple[str, int, Variant]]:
    for name in sorted(CASES):
        for number, variant in enumerate(CASES[name]):
            yield name, number, variant


def arguments(name: str, kinds: str) -> list[np.ndarray]:
    rng = numpy.random.default_rng(zlib.crc32(f"{name}{kinds}".encode()))
    return [np.array(MAKERS[kind](rng) + 0.037 * place) for place, kind in enumerate(kinds)]


ALL = list(variants())
FIRST = [(name, variant) for name, number, variant in ALL if number == 0]


@pytest.mark.parametrize(("name", "variant"), FIRST, ids=[name for name, _ in FIRST])
def test_derivatives(name, variant):
    function, kinds = variant
    np.check_grads(function, order=1)(*arguments(name, kinds))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "variant"), ALL, ids=[f"{name}-{number}" for name, number, _ in ALL])
def test_every_variant_for_all_arguments_and_for_each_alone(name, number, variant):
    function, kinds = variant
    args = arguments(name, kinds)
    for chosen in {(True,) * len(args), *itertools.permutations([True] + [False] * (len(args) - 1))}:

        def of_some(*some, chosen=chosen):
            values = iter(some)
            return function(*[next(values) if each else arg for each, arg in zip(chosen, args, strict=True)])

        some = [arg for arg, each in zip(args, chosen, strict=True) if each]
        np.check_grads(of_some, order=2, seed=number)(*some)
