"""Dynamic programming: tables filled cell by cell, row by row and all at once."""
# ruff: noqa: B905

import numpy as np


def edit_distance(a, b):
    d = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    d[:, 0] = np.arange(len(a) + 1)
    d[0] = range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
    return d


def knapsack(weights, values, room):
    best = np.zeros(room + 1, dtype=np.int64)
    for weight, value in zip(weights, values):
        best[weight:] = np.maximum(best[weight:], best[:-weight] + value)
    return best


def shortest(distances):
    d = distances.copy()
    for k in range(len(d)):
        np.minimum(d, d[:, k, None] + d[None, k], out=d)
    return d


def viterbi(start, moves, seen):
    score, back = np.log(start) + seen[0], []
    for row in seen[1:]:
        options = score[:, None] + np.log(moves)
        back.append(options.argmax(axis=0))
        score = options.max(axis=0) + row
    path = [int(score.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1], score.max()


def soft_warp(cost):
    """The smooth cost of aligning two series, by a table that is filled in place."""
    n, m = cost.shape
    r = np.full((n + 1, m + 1), np.inf)
    r[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            three = [r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]]
            least = min(three)
            r[i, j] = cost[i - 1, j - 1] + least - np.log(sum(np.exp(least - v) for v in three))
    return r[n, m]


def objective(series):
    """Soft dynamic time warping between two series, and the best path through states scored by them."""
    cost = (series[0][:, None] - series[1]) ** 2
    moves = np.array([[0.7, 0.3], [0.4, 0.6]])
    return soft_warp(cost) + viterbi(np.array([0.5, 0.5]), moves, series.T)[1]


START = np.array([[0.1, 0.9, 1.6, 0.4], [0.3, 0.2, 1.2, 1.7]])

if __name__ == "__main__":
    d = edit_distance("kitten", "sitting")
    print(d, d[-1, -1], d[6][7], d.item(6, 7))
    best = knapsack([3, 4, 5, 9], [3, 4, 4, 10], 11)
    print(best, best.argmax(), best[-1] == 11)
    inf = np.inf
    roads = np.array([[0, 3, inf, 7], [8, 0, 2, inf], [5, inf, 0, 1], [2, inf, inf, 0]])
    print(shortest(roads), np.isinf(roads).sum(), np.isfinite(shortest(roads)).all())
    path, score = viterbi(
        np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.4, 0.6]]), np.log([[0.5, 0.1], [0.4, 0.3], [0.1, 0.6]])
    )
    print(path, f"{np.exp(score):.5f}")
    ways = np.zeros(11, int)
    ways[0] = 1
    for coin in (1, 2, 5):
        for amount in range(coin, 11):
            ways[amount] += ways[amount - coin]
    print(ways, ways.cumsum()[-1])
    row = [1]
    for _ in range(5):
        row = np.convolve(row, [1, 1])
    print(row, row.sum() == 2**5, np.linalg.matrix_power(np.array([[1, 1], [1, 0]]), 30)[0, 1])
    numbers = np.array([3, -4, 5, 1, -2, 6, -9])
    ending = numbers.copy()
    for i in range(1, len(ending)):
        if ending[i - 1] > 0:
            ending[i] += ending[i - 1]
    print(ending, ending.max(), round(float(objective(START)), 8))
    sieve = np.ones(50, bool)
    sieve[:2] = False
    for n in range(2, 8):
        if sieve[n]:
            sieve[n * n :: n] = False
    print(np.flatnonzero(sieve), np.packbits(sieve)[:3])
