"""One table of calls, run by NumPy and by dlengine.numpy: same dtype, shape and values."""

from __future__ import annotations

import warnings
from typing import Any

import dlengine.numpy as np
import numpy
import pytest

random = numpy.random.default_rng(0)
V = random.normal(size=7)
W = numpy.array([3.0, 1.0, 2.0, 2.0, 5.0, 0.0, 1.0])
I = numpy.array([3, 1, 2, 2, 0, 5, 1])  # noqa: E741
M = random.normal(size=(4, 5))
S = random.normal(size=(4, 4))
P = S @ S.T + numpy.eye(4)
C = random.normal(size=(3, 4)) + 1j * random.normal(size=(3, 4))
T = random.integers(0, 9, (2, 3, 4))
B = numpy.array([True, False, True, True, False, False, True])
N = numpy.array([[1.0, numpy.nan, 3.0], [numpy.nan, 5.0, 4.0]])
Z = numpy.zeros((0, 3))
F = numpy.float32([[1, 2], [3, 4]])

# Calls: the name, then positional arguments; a dict at the end is keyword arguments.
CALLS: list[tuple[Any, ...]] = [
    # creation
    ("arange", 5), ("arange", 2, 8, 3), ("arange", 0.0, 1.0, 0.3), ("arange", 5, 0, -2),
    ("arange", 3, {"dtype": "float32"}),
    ("linspace", 0, 1, 5), ("linspace", 0, 1, 4, False), ("linspace", V[:2], W[:2], 3),
    ("linspace", 0, 5, 4, {"dtype": int}),
    ("logspace", 0, 2, 5), ("geomspace", 1, 256, 9), ("zeros", 3), ("ones", (2, 3)), ("full", 3, 7),
    ("full", (2,), 1.5), ("eye", 3),
    ("eye", 3, 4, 1), ("identity", 2), ("tri", 3, 4, -1), ("zeros_like", T), ("ones_like", T, float),
    ("full_like", T, 3),
    ("vander", V, 3), ("diag", V, 1), ("diag", M), ("diagflat", F), ("tril", M, 1), ("triu", T), ("indices", (2, 3)),
    ("meshgrid", V, W), ("meshgrid", V, W, {"indexing": "ij", "sparse": True}), ("array", [[1, 2], [3, 4]]),
    ("array", [1, 2.5]),
    ("array", 5, {"ndmin": 2}), ("array", [True, 2]), ("asarray", (1, 2)), ("copy", T),
    ("frombuffer", b"\x01\x02", "uint8"),
    # shape
    ("reshape", T, (4, -1)), ("reshape", T, (6, 4), {"order": "F"}), ("ravel", T), ("ravel", T, "F"),
    ("transpose", T), ("transpose", T, (1, 0, 2)),
    ("permute_dims", T, (2, 0, 1)), ("matrix_transpose", T), ("swapaxes", T, 0, -1), ("moveaxis", T, 0, -1),
    ("moveaxis", T, (0, 1), (2, 0)), ("rollaxis", T, 2),
    ("rollaxis", T, 1, 3), ("expand_dims", M, 1), ("expand_dims", M, (0, 3)), ("squeeze", T[:, :1]),
    ("squeeze", T[:, :1], 1), ("broadcast_to", V, (2, 7)),
    ("broadcast_arrays", V, V[:, None]), ("atleast_1d", 3), ("atleast_2d", V), ("atleast_3d", M),
    ("concatenate", [M, M]), ("concatenate", [M, T[0, :, :1].T], {"axis": None}),
    ("stack", [V, W]), ("stack", [V, I], 1), ("vstack", [V, W]), ("hstack", [V, W]), ("hstack", [M, M]),
    ("dstack", [M, M]), ("column_stack", [V, W]),
    ("unstack", M), ("array_split", V, 3), ("array_split", V, [2, 4]), ("split", M, 2), ("hsplit", M, [1, 3]),
    ("vsplit", M, 2), ("dsplit", T, 2),
    ("flip", T), ("flip", T, 1), ("fliplr", M), ("flipud", M), ("rot90", M), ("rot90", T, 3, (1, 2)), ("roll", V, 2),
    ("roll", M, (1, -2), (0, 1)), ("roll", M, 3),
    ("repeat", V, 2), ("repeat", M, [1, 0, 2, 1], 0), ("tile", V, 2), ("tile", M, (2, 1, 2)), ("resize", V, (3, 4)),
    ("append", V, 3.0), ("append", M, M, 1),
    ("trim_zeros", numpy.array([0, 0, 1, 0, 2, 0])), ("pad", M, 1), ("pad", M, ((1, 2), (0, 1)), "edge"),
    ("pad", V, 3, "reflect"), ("pad", V, 2, "symmetric"),
    ("pad", V, (2, 1), "wrap"), ("pad", T, 1, {"constant_values": 9}), ("block", [[F, F], [F, F]]), ("delete", V, 2),
    ("delete", M, [0, 2], 1), ("delete", V, slice(0, 4, 2)),
    ("insert", V, 2, 9.0), ("insert", V, [1, 3], [8.0, 9.0]), ("insert", M, 1, 7.0, 1), ("insert", M, 1, M[0], 0),
    ("insert", M, [1, 2], 5.0, {"axis": 1}), ("broadcast_shapes", (2, 1), (3,)),
    # search and sets
    ("sort", V), ("sort", M, 0), ("sort", T, None), ("sort", C), ("argsort", V), ("argsort", M, 0),
    ("lexsort", (V, I)), ("searchsorted", [1.0, 2, 3], V), ("searchsorted", [1, 2, 3], 2, "right"),
    ("digitize", V, [-1.0, 0.0, 1.0]), ("digitize", V, [1.0, 0.0, -1.0]), ("digitize", I, [1, 2], {"right": True}),
    ("nonzero", T % 2), ("argwhere", T % 2), ("flatnonzero", B), ("where", B, V, 0),
    ("where", B, I, 2.5), ("where", B), ("where", B, 1, 2.0), ("clip", V, -1, 1), ("clip", I, 1, None),
    ("clip", I, 0.5, 2), ("take", V, [1, -1]), ("take", M, [[0, 1], [2, 3]], 1),
    ("take", V, [9], {"mode": "wrap"}), ("take_along_axis", M, numpy.argsort(M, 1), 1),
    ("choose", [0, 1, 2], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]), ("select", [V > 0, V < -1], [V, -V], 5),
    ("piecewise", V, [V < 0, V >= 0], [-1, 1]), ("compress", [True, False, True], M, 0), ("extract", B, V),
    ("unique", I), ("unique", I, True, True, True), ("unique", M[:, :1] > 0, {"axis": 0}),
    ("unique", N), ("unique_all", I), ("unique_counts", I), ("unique_inverse", I),
    ("unique_values", numpy.array([4])), ("isin", I, [1, 2]), ("isin", I, [1, 2], {"invert": True}),
    ("intersect1d", I, [1, 5, 9]),
    ("intersect1d", I, [1, 5, 9], {"return_indices": True}), ("union1d", I, [9, 1]), ("setdiff1d", I, [1]),
    ("setxor1d", I, [1, 9]), ("unravel_index", [5, 3], (2, 3)), ("ravel_multi_index", ([1, 0], [2, 1]), (2, 3)),
    ("ix_", [0, 2], [1]), ("diag_indices", 3), ("tril_indices", 3, 1), ("triu_indices", 3, -1, 4),
    ("mask_indices", 3, numpy.triu), ("tril_indices_from", P), ("argpartition", V[:1], 0), ("partition", V[:2], 1),
    ("sort_complex", V), ("count_nonzero", T, 1), ("packbits", B), ("unpackbits", numpy.uint8([3, 255])),
    ("packbits", B, {"bitorder": "little"}),
    # mathematics
    ("angle", C), ("real", C), ("imag", C), ("isreal", C), ("iscomplex", C), ("isneginf", V), ("isposinf", V),
    ("real_if_close", C.real + 0j), ("round", V, 2), ("round", I, -1), ("around", C, 1), ("fix", V),
    ("sinc", V), ("i0", V), ("nan_to_num", N), ("nan_to_num", N, {"nan": 7.0}), ("unwrap", V * 5), ("diff", V),
    ("diff", M, 2, 0), ("diff", B), ("diff", V, {"prepend": 0.0, "append": [1.0, 2.0]}), ("ediff1d", V),
    ("gradient", V), ("gradient", M), ("gradient", M, 0.5, {"axis": 1, "edge_order": 2}),
    ("gradient", V, numpy.cumsum(W + 1)), ("trapezoid", M), ("trapezoid", V, W), ("dot", M, M.T), ("dot", V, W),
    ("dot", T, T[0].T), ("dot", I, 2),
    ("vdot", C, C), ("inner", M, M), ("inner", V, W), ("outer", V, I), ("tensordot", T, T, ([0, 1], [0, 1])),
    ("tensordot", M, M.T, 1), ("kron", F, I), ("cross", M[:, :3], M[:, 1:4]), ("trace", M, 1),
    ("diagonal", T), ("diagonal", T, 1, 1, 2), ("einsum", "ij,kj->ik", M, M), ("einsum", "ii", S),
    ("einsum", M, [0, 1], M, [2, 1], [0, 2]), ("convolve", V, W), ("convolve", V, [1.0, 2.0], "same"),
    ("convolve", V, [1, 2], "valid"),
    ("correlate", V, [1.0, 2.0, 3.0]), ("correlate", C[0], C[1], "full"), ("correlate", [1.0, 2.0], V, "same"),
    ("argmax", numpy.array([[3, 2**63, 5]], "uint64"), 1, {"keepdims": True}),
    ("argmin", numpy.array([[3, 2, 5]], "uint16"), {"keepdims": True}),
    ("cov", M.astype("f4")), ("cov", M.astype("f4"), {"ddof": 0}),
    ("cumulative_sum", numpy.arange(3), {"dtype": "uint16", "include_initial": True}),
    ("cumulative_prod", numpy.arange(1, 4, dtype="uint32"), {"axis": 0, "dtype": "uint32"}),
    ("quantile", V, 0.3), ("quantile", M, [0.1, 0.9], 1), ("percentile", V, 40, {"method": "lower"}),
    ("quantile", M, 0.5, (0, 1), {"keepdims": True}), ("quantile", M, 0, 1), ("nanquantile", M, [0.2, 1.0], 0),
    ("quantile", M, [0, 0.3, 1], 1, {"weights": numpy.array([1.0, 0, 2, 1, 1]), "method": "inverted_cdf"}),
    ("quantile", M, 0.4, {"weights": numpy.abs(M) + 1, "method": "inverted_cdf"}),
    ("median", M, 0), ("median", M), ("median", V[:4], {"keepdims": True}), ("nanmedian", N, 1),
    ("nanquantile", N, 0.5), ("nanpercentile", N, 50, 0), ("cov", M), ("cov", V, W),
    ("cov", M, {"rowvar": False, "bias": True}), ("corrcoef", M), ("corrcoef", V, W),
    ("bincount", I), ("bincount", I, V), ("bincount", I, {"minlength": 9}), ("histogram", V),
    ("histogram", V, 4, (-1, 1)), ("histogram", V, [-2.0, 0.0, 2.0], {"weights": W}),
    ("histogram", V, 5, {"density": True}), ("histogram2d", V, W, 3), ("histogramdd", M, 2),
    ("histogram_bin_edges", V, "auto"), ("interp", [0.5, 9.0, -1.0, 2.0], [0, 1, 2], [3.0, 2.0, 0.0]),
    ("interp", V, [0.0, 1.0], [0.0, 1.0], {"left": -9, "right": 9}),
    ("interp", [0.5, 7.0], [0, 1, 2], [3.0, 2.0, 0.0], {"period": 4}),
    ("isclose", V, V + 1e-9), ("isclose", N, N, {"equal_nan": True}), ("allclose", V, V), ("array_equal", V, V),
    ("array_equiv", V, [V, V]), ("hanning", 5), ("hamming", 6), ("blackman", 7), ("bartlett", 5), ("kaiser", 6, 3.0),
    ("average", M, 1),
    ("average", M, {"axis": 1, "weights": [1, 2, 3, 4, 5]}), ("average", V, {"weights": W, "returned": True}),
    ("ptp", M, 0), ("std", M, {"ddof": 1}), ("var", C, 0), ("mean", I), ("mean", F),
    ("mean", N, {"where": ~numpy.isnan(N)}), ("sum", M, {"where": M > 0}),
    ("sum", I, {"initial": 10}), ("max", M, {"initial": 0.0, "where": M < 0}), ("sum", I, {"dtype": "float32"}),
    ("prod", numpy.int8([2, 3])), ("sum", numpy.uint8([200, 100])), ("cumsum", B),
    ("cumulative_prod", I + 1, {"include_initial": True}), ("nancumsum", N),
    ("nansum", N, 0), ("nanmean", N, 1), ("nanmax", N), ("nanargmax", N, 1), ("nanvar", N, 0),
    ("nanstd", N, {"ddof": 1}), ("apply_along_axis", numpy.cumsum, 0, M), ("apply_over_axes", numpy.sum, T, (0, 2)),
    ("sum", Z, 0), ("mean", F, 0),
    # polynomials
    ("polyval", [1, 2, 3], V), ("polyadd", [1, 2], [1, 2, 3]), ("polysub", [1, 2], [1, 2, 3]),
    ("polymul", [1, 2], [1, 2, 3]), ("polydiv", [1.0, 5, 6], [1.0, 2]), ("polyder", [1, 2, 3]), ("polyint", [1.0, 2]),
    ("poly", [1.0, 2.0]), ("roots", [1.0, -3.0, 2.0]),
    ("polyfit", V, W, 2),
    # dtypes
    ("result_type", numpy.int8(1), 1.0), ("isdtype", numpy.float32, "real floating"), ("can_cast", "int8", "int64"),
    ("shape", T), ("ndim", T), ("size", T, 1), ("iscomplexobj", C), ("isscalar", 3), ("common_type", F, V),
    # linalg and fft
    ("linalg.inv", S), ("linalg.solve", S, V[:4]), ("linalg.solve", S, S), ("linalg.det", S), ("linalg.slogdet", S),
    ("linalg.cholesky", P), ("linalg.cholesky", P, {"upper": True}), ("linalg.eigvalsh", P), ("linalg.svdvals", M),
    ("linalg.pinv", M), ("linalg.matrix_rank", M),
    ("linalg.matrix_power", S, 3), ("linalg.matrix_power", T[:, :3, :3], 2), ("linalg.matrix_power", S, -1),
    ("linalg.lstsq", M.T, V[:5]), ("linalg.norm", M), ("linalg.norm", V, 1), ("linalg.norm", M, 2),
    ("linalg.norm", M, numpy.inf, 1), ("linalg.norm", T, {"axis": (0, 1), "keepdims": True}),
    ("linalg.vector_norm", M, {"axis": 1}), ("linalg.matrix_norm", M), ("linalg.cond", S), ("linalg.cond", S, 1),
    ("linalg.multi_dot", [M, M.T, M]), ("linalg.tensorinv", numpy.eye(6).reshape(2, 3, 2, 3)),
    ("linalg.tensorsolve", numpy.eye(6).reshape(2, 3, 2, 3), M[:2, :3]),
    ("linalg.trace", T), ("linalg.diagonal", T), ("linalg.outer", V, W), ("linalg.cross", M[:, :3], M[:, 1:4]),
    ("linalg.vecdot", M, M, {"axis": 0}), ("linalg.matmul", M, M.T), ("linalg.matrix_transpose", M),
    ("linalg.eigvals", P), ("linalg.svd", M, {"compute_uv": False}), ("linalg.qr", M, "r"),
    ("fft.fft", V), ("fft.fft", M, 3, 0), ("fft.ifft", C), ("fft.rfft", V, {"norm": "ortho"}), ("fft.irfft", C),
    ("fft.hfft", C), ("fft.ihfft", V), ("fft.fft2", M), ("fft.ifft2", M), ("fft.fftn", T), ("fft.rfftn", T),
    ("fft.irfftn", C), ("fft.rfft2", M), ("fft.irfft2", C), ("fft.fftn", T, (2, 2), (0, 1)),
    ("fft.ifftn", T), ("fft.fftshift", V), ("fft.ifftshift", M, 1), ("fft.fftfreq", 6, 0.5), ("fft.rfftfreq", 5),
    ("fft.fft", F),
    # ufunc methods
    ("add.reduce", M, 1), ("subtract.reduce", M, 0), ("maximum.accumulate", V), ("subtract.accumulate", M, 1),
    ("multiply.outer", V, I), ("add.reduceat", V, [0, 3, 1]), ("logaddexp.reduce", V), ("bitwise_or.reduce", I),
    ("hypot.outer", V, W),
]  # fmt: skip


def find(space: Any, name: str) -> Any:
    for part in name.split("."):
        space = getattr(space, part)
    return space


def ours(value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        return np.array(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, numpy.ndarray) for v in value):
        return type(value)(map(ours, value))
    return find(np, value.__name__) if getattr(value, "__module__", "") == "numpy" and callable(value) else value


def compare(expected: Any, found: Any) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(expected) == len(found)
        for a, b in zip(expected, found, strict=True):
            compare(a, b)
        return
    if isinstance(expected, (bool, type, numpy.dtype)):
        assert found == expected
        return
    a, b = numpy.asarray(expected), numpy.asarray(found)
    assert (b.dtype, b.shape) == (a.dtype, a.shape)
    numpy.testing.assert_allclose(b, a, rtol=1e-5 if a.dtype.itemsize <= 4 else 1e-8, atol=1e-9)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_a_call_gives_what_numpy_gives(call: tuple[Any, ...]) -> None:
    name, *args = call
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.FallbackWarning)
        expected = find(numpy, name)(*args, **kwargs)
        found = find(np, name)(*map(ours, args), **{key: ours(value) for key, value in kwargs.items()})
    compare(expected, found)


@pytest.mark.parametrize("name", ["put", "putmask", "place", "fill_diagonal", "put_along_axis", "copyto"])
def test_functions_that_write_in_place_write_the_same(name: str) -> None:
    args = {
        "put": ([0, -1, 7], [1.5, 2.5]), "putmask": (M > 0, [1.0, 2.0, 3.0]), "place": (M > 0, [1.0, 2.0]),
        "fill_diagonal": (9.0,),
        "put_along_axis": (numpy.array([[0], [1], [2], [0]]), 7.0, 1), "copyto": (V[:5],),
    }[name]  # fmt: skip
    expected, found = M.copy(), np.array(M)
    getattr(numpy, name)(expected, *args)
    getattr(np, name)(found, *map(ours, args))
    compare(expected, found)


def test_decompositions_multiply_back() -> None:
    m, p = np.array(M), np.array(P)
    u, s, vh = np.linalg.svd(m, full_matrices=False)
    q, r = np.linalg.qr(m)
    values, vectors = np.linalg.eigh(p)
    general, right = np.linalg.eig(np.array(S))
    assert np.allclose(u * s @ vh, m)
    assert np.allclose(q @ r, m)
    assert np.allclose(vectors * values @ vectors.T, p)
    assert np.allclose(np.array(S) @ right, right * general)
    numpy.testing.assert_allclose(values, numpy.linalg.eigh(P)[0])


def test_at_counts_every_repeated_index() -> None:
    for name in ("add", "maximum", "multiply", "arctan2"):
        expected, found = W.copy(), np.array(W)
        getattr(numpy, name).at(expected, [1, 1, 3], [2.0, 3.0, 4.0])
        getattr(np, name).at(found, [1, 1, 3], [2.0, 3.0, 4.0])
        compare(expected, found)
