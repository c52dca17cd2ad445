"""Indexing against NumPy: random keys read and written, views that alias, errors."""

from __future__ import annotations

import contextlib
from typing import Any

import dlengine.numpy as np
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FAST = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
DEEP = settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def cases(draw: Any) -> tuple[Any, Any]:
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    array = numpy.arange(int(numpy.prod(shape))).reshape(shape)
    small = st.none() | st.integers(-6, 6)
    steps = st.none() | st.sampled_from((1, 2, 3, -1, -2, -3))
    key: list[Any] = []
    common = draw(st.sampled_from(((2,), (1, 2), (3, 1), ())))
    axis = 0
    while axis < len(shape) and draw(st.integers(0, 5)):
        kind = draw(st.sampled_from(("slice", "slice", "int", "fancy", "mask", "none", "list")))
        if kind == "slice":
            key.append(slice(draw(small), draw(small), draw(steps)))
        elif kind == "int":
            key.append(draw(st.integers(-shape[axis] - 1, shape[axis])))
        elif kind == "none":
            key.append(None)
            continue
        elif kind == "mask":
            key.append(numpy.random.default_rng(draw(st.integers(0, 99))).random(shape[axis]) > 0.5)
        elif kind == "list" and shape[axis]:
            key.append(draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=2, max_size=2)))
        elif shape[axis]:
            key.append(numpy.random.default_rng(draw(st.integers(0, 99))).integers(-shape[axis], shape[axis], common))
        axis += 1
    if draw(st.integers(0, 3)) == 0:
        key.insert(draw(st.integers(0, len(key))), Ellipsis)
    if draw(st.integers(0, 9)) == 0 and len(shape) > 1:
        return array, numpy.random.default_rng(1).random(shape[:2]) > 0.4
    return array, key[0] if len(key) == 1 and draw(st.booleans()) else tuple(key)


def translated(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(translated, key))
    return np.array(key) if isinstance(key, numpy.ndarray) else key


def check(array: Any, key: Any) -> None:
    ours = np.array(array)
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            ours[translated(key)]
        return
    found = ours[translated(key)]
    assert tuple(found.shape) == expected.shape, (key, found.shape, expected.shape)
    assert numpy.array_equal(numpy.asarray(found), expected), key
    assert numpy.array_equal(numpy.asarray(ours[key]), expected), key
    for value in (7, -numpy.arange(expected.size).reshape(expected.shape)):
        theirs, mine = array.copy(), np.array(array)
        theirs[key] = value
        mine[translated(key)] = value
        if unique(array, key):
            assert numpy.array_equal(numpy.asarray(mine), theirs), key


def unique(array: Any, key: Any) -> bool:
    """Whether no element is written twice: then the order of the writes does not matter."""
    picked = array[key]
    return bool(numpy.unique(picked).size == picked.size)


@given(cases())
@FAST
def test_any_key_reads_and_writes_as_in_numpy(case: tuple[Any, Any]) -> None:
    check(*case)


@pytest.mark.slow
@given(cases())
@DEEP
def test_ten_thousand_keys_read_and_write_as_in_numpy(case: tuple[Any, Any]) -> None:
    check(*case)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), 0, Ellipsis, [0, 0], slice(None)),
        (slice(None, None, -1), [1], Ellipsis, [0, 2], slice(None, None, -1)),
        (0, [1], Ellipsis, [0], [2]),
        (slice(None), 0, [0, 1], [1, 1], Ellipsis),
    ],
)
def test_an_ellipsis_of_no_width_parts_index_arrays(key: Any) -> None:
    check(numpy.arange(120).reshape(2, 3, 4, 5), key)


@pytest.mark.parametrize(("shape", "mask"), [((3,), (0,)), ((1,), (0,)), ((1, 2), (0, 0)), ((2, 1), (2, 0))])
def test_an_empty_mask_fits_any_axis_as_in_numpy(shape: Any, mask: Any) -> None:
    check(numpy.ones(shape), numpy.zeros(mask, bool))
    check(numpy.ones((2, *shape)), (slice(None), numpy.zeros(mask, bool)))


def test_an_integer_beside_arrays_is_checked_even_where_nothing_is_read() -> None:
    for key in ((numpy.array([False]), slice(None), 1), (numpy.zeros(0, int), slice(None), 3), ([], [5], 0)):
        check(numpy.zeros((1, 1, 1)), key)


@pytest.mark.parametrize(("shape", "key"), [
    ((0, 0, 1), (numpy.zeros(0, bool), [[0], [0], [0]])), ((0, 2), ([], [[0], [5]])), ((2, 3, 0), ([], [7])),
    ((2, 0, 1), (numpy.zeros(0, int), 0)), ((2, 3, 0), ([1], [4])), ((2, 0), ([5], slice(None))),
])  # fmt: skip
def test_arrays_that_pick_nothing_are_checked_only_as_numpy_does(shape: Any, key: Any) -> None:
    check(numpy.zeros(shape), key)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
@pytest.mark.parametrize(
    "key",
    [
        numpy.array(False),
        numpy.zeros((0, 4), bool),
        numpy.eye(3, 4) > 0,
        ([2, 0], [1, 3]),
        (slice(None, None, -1), [0, 2]),
    ],
)
def test_unsigned_words_are_read_and_written(dtype: str, key: Any) -> None:
    check(numpy.arange(12, dtype=dtype).reshape(3, 4), key)


def test_a_range_is_an_index_array() -> None:
    for key in (range(2), (slice(None), range(0, 4, 2)), ([2, 0], range(2)), (range(3), range(3), None)):
        check(numpy.arange(12).reshape(3, 4), key)


def test_basic_indices_give_views_that_alias() -> None:
    x = np.zeros((3, 4))
    x[1][2] = 5
    row = x[0]
    row += 1
    x[:, ::2][2] = 9
    x.T[3, 1] = 4
    x.reshape(-1)[0] = 8
    x.flat[5] = 6
    expected = numpy.array([[8, 1, 1, 1], [0, 6, 5, 4], [9, 0, 9, 0]], float)
    assert numpy.array_equal(numpy.asarray(x), expected)


def test_an_element_is_a_copy_so_that_swapping_works() -> None:
    x = np.array([1.0, 2.0])
    kept = x[0]
    x[0] = x[1]
    x[1] = kept
    total = x.sum()
    before = total
    total += 1
    assert x.tolist() == [2.0, 1.0]
    assert (float(before), float(total)) == (3.0, 4.0)


def test_negative_steps_assign_in_place() -> None:
    x = np.arange(6)
    x[::-2] = [10, 20, 30]
    x[::-1][0] = 99  # a copy here: documented
    assert x.tolist() == [0, 30, 2, 20, 4, 10]


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        (5, None, IndexError, "index 5 is out of bounds for axis 0 with size 3"),
        ((0, 9), None, IndexError, "index 9 is out of bounds for axis 1 with size 4"),
        ((0, 0, 0), None, IndexError, "too many indices for array: array is 2-dimensional, but 3 were indexed"),
        ([0, 7], None, IndexError, "index 7 is out of bounds for axis 0 with size 3"),
        ([0.5], None, IndexError, "integer"),
        ("x", None, IndexError, "only integers"),
        ([True, False], None, IndexError, "size of axis is 3 but size of corresponding boolean axis is 2"),
        (([0, 1], [0, 1, 2]), None, IndexError, r"\(2,\) \(3,\)"),
        (0, [1.0, 2.0], ValueError, r"could not broadcast input array from shape \(2,\) into shape \(4,\)"),
        ((Ellipsis, Ellipsis), None, IndexError, "single ellipsis"),
    ],
)
def test_a_bad_key_or_value_is_told_in_numpys_words(key: Any, value: Any, error: type[Exception], words: str) -> None:
    x = np.zeros((3, 4))
    with pytest.raises(error, match=words):
        x.__setitem__(key, value) if value is not None else x[key]


def test_a_write_to_a_broadcast_view_is_refused() -> None:
    view = np.broadcast_to(np.zeros(3), (2, 3))
    attempts = [
        lambda: view.__setitem__(0, 1),
        lambda: view.__iadd__(1),
        lambda: view.fill(2),
        lambda: np.add(view, 1, out=view),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match=r"read-only.*\(2, 3\)"):
            attempt()
    with contextlib.suppress(ValueError):
        view[:] = 3
    assert numpy.asarray(view).sum() == 0


def test_integers_out_of_range_are_refused_as_in_numpy() -> None:
    x = np.zeros(2, dtype="int8")
    with pytest.raises(OverflowError, match="300 out of bounds for int8"):
        x[0] = 300
    with pytest.raises(ValueError, match="NaN"):
        x[0] = float("nan")
    with pytest.raises(OverflowError, match="int8"):
        x + 300
    assert (x < 300).tolist() == [True, True]
