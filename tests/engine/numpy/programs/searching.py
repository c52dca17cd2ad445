"""Sorting, ranking, searching, sets and running totals."""
# ruff: noqa: B905

import numpy as np

NAMES = np.array([3, 1, 2, 3, 1, 3])
MARKS = np.array([71.5, 88.0, 65.25, 90.0, 71.5, 64.0])


def ranks(values):
    order = np.argsort(values, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(values))
    return place


def gini(values):
    ordered = np.sort(values)
    index = np.arange(1, len(values) + 1)
    return (2 * index - len(values) - 1) @ ordered / (len(values) * ordered.sum())


def objective(values):
    """Inequality, the tail and the middle of numbers that are sorted on the way."""
    tail = np.sort(values)[-3:].mean()
    return gini(values) + tail * np.median(values) + np.quantile(values, 0.3) + np.interp(1.3, np.sort(values), values)


START = np.array([0.8, 2.1, 1.35, 0.31, 1.9])


def intervals(pairs):
    """Overlapping intervals merged."""
    pairs = np.asarray(pairs)[np.argsort([a for a, _ in pairs])]
    ends = np.maximum.accumulate(pairs[:, 1])
    fresh = np.r_[True, pairs[1:, 0] > ends[:-1]]
    return np.c_[pairs[fresh, 0], ends[np.r_[fresh[1:], True]]]


if __name__ == "__main__":
    print(ranks(MARKS), np.lexsort((MARKS, NAMES)), MARKS[np.lexsort((-MARKS, NAMES))])
    groups, inverse, counts = np.unique(NAMES, return_inverse=True, return_counts=True)
    totals = np.bincount(inverse, weights=MARKS)
    for group, total, count in zip(groups, totals, counts):
        print(f"group {group}: mean {total / count:8.3f} of {count:d}")
    print(intervals([[5, 7], [1, 3], [2, 4], [6, 8], [10, 11]]).tolist())
    print(np.searchsorted([1, 3, 5], [0, 1, 4, 9]), np.searchsorted([1, 3, 5], 3, side="right"))
    print(np.digitize(MARKS, [65, 70, 80]), np.histogram(MARKS, bins=3)[0])
    top = np.argpartition(MARKS, -2)[-2:]
    print(sorted(MARKS[top].tolist()), np.partition(MARKS, 2)[:3].max())
    print(np.intersect1d(NAMES, [1, 2, 7]), np.setdiff1d(NAMES, [1]), np.isin(NAMES, [2, 3]), 3 in NAMES, 9 in NAMES)
    print(np.nonzero(MARKS > 70)[0], np.flatnonzero(NAMES == 1), np.argmax(MARKS > 80), np.where(MARKS > 200)[0].size)
    runs = np.split(NAMES, np.flatnonzero(np.diff(NAMES)) + 1)
    print([run.tolist() for run in runs], np.add.reduceat(MARKS, [0, 2, 4]))
    print(np.minimum.accumulate(MARKS), np.diff(np.sort(MARKS), prepend=0).argmin(), np.cumsum(MARKS[::-1])[::-1])
    print(
        objective(MARKS).round(6),
        np.quantile(MARKS, [0.1, 0.5]),
        MARKS.argsort()[:2],
        sorted(MARKS)[:2] == [64.0, 65.25],
    )
    copied = MARKS.copy()
    copied.sort()
    print(copied, copied is not MARKS, np.array_equal(np.sort(MARKS)[::-1], -np.sort(-MARKS)))
    print(max(MARKS), min(NAMES), sum(MARKS), any(NAMES > 2), len({int(n) for n in NAMES}))
