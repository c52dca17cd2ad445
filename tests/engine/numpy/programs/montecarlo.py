"""Random numbers: pi, walks, a bootstrap and the price of an option."""

import math

import numpy as np


def even(count):
    """Evenly spread numbers between 0 and 1: the golden ratio's multiples."""
    return (0.5 + np.arange(count) * ((np.sqrt(5) - 1) / 2)) % 1


def normal(u):
    """Normal numbers of uniform ones (Box and Muller)."""
    a, b = u, np.roll(u, 7)
    return np.sqrt(-2 * np.log(a)) * np.cos(2 * np.pi * b)


def objective(x):
    """The price of a call by simulation, from its spot, volatility and rate."""
    spot, volatility, rate = x
    draws = normal(even(500))
    draws = np.concatenate([draws, -draws])
    final = spot * np.exp(rate - 0.5 * volatility**2 + volatility * draws)
    return np.exp(-rate) * np.maximum(final - 1.0, 0).mean()


START = np.array([1.05, 0.3, 0.02])


def black_scholes(spot, volatility, rate):
    d = (np.log(spot) + rate) / volatility + volatility / 2
    below = [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in (d, d - volatility)]
    return spot * below[0] - np.exp(-rate) * below[1]


if __name__ == "__main__":
    rng = np.random.default_rng(42)
    xy = rng.random((20_000, 2))
    print(abs(4 * np.mean((xy**2).sum(axis=1) < 1) - np.pi) < 0.05)
    walks = np.cumsum(rng.choice([-1, 1], size=(1000, 100)), axis=1)
    print(walks.shape, walks.dtype, abs(walks[:, -1].std() - 10) < 1, np.abs(walks).max(axis=1).min() >= 1)
    sample = rng.normal(5, 2, size=400)
    means = np.array([rng.choice(sample, size=sample.size).mean() for _ in range(200)])
    low, high = np.percentile(means, [2.5, 97.5])
    print(bool(low < sample.mean() < high), 0.2 < high - low < 0.6)
    counts, edges = np.histogram(rng.exponential(size=5000), bins=[0, 1, 2, 3])
    print(counts.sum() < 5000, np.all(np.diff(counts) < 0), edges)
    deck = np.arange(52)
    rng.shuffle(deck)
    print(sorted(deck.tolist()) == list(range(52)), not np.array_equal(deck, np.arange(52)))
    print(round(float(objective(START)), 6), abs(objective(START) - black_scholes(*START)) < 0.01)
    np.random.seed(1)
    first = np.random.rand(3)
    np.random.seed(1)
    print((first == np.random.rand(3)).all(), np.random.randint(3, 5, size=(2, 2)).shape)
    inside = np.floor(even(6) * 6).astype(int) + 1
    print(inside, inside.mean(), np.unique(inside, return_counts=True))
