"""Random numbers that depend on seed, epoch and sample alone.

An ordinary generator hands out its numbers in the order of the calls, so that the same sample is augmented differently
when it comes in another batch, on another rank or after a resume. Here every number is a hash of what it belongs to
(splitmix64, Steele et al. 2014), computed for all samples of a batch at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Draws:
    """The random numbers of some samples: each call gives the next ones, a row for each sample."""

    def __init__(self, seed: int, epoch: int, samples: NDArray[np.integer], purpose: int = 0) -> None:
        key = 0
        for part in (seed, epoch, purpose):
            key = _scramble((key + int(_STEP) + part) % 2**64)
        self._keys = _mix(np.uint64(key) + _STEP * np.asarray(samples).astype(np.uint64))
        self._used = 0

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, low: float = 0.0, high: float = 1.0, count: int = 1) -> NDArray[np.float64]:
        """Numbers in [low, high), of shape (samples, count)."""
        return low + (high - low) * self._unit(count)

    def integers(self, low: int, high: int, count: int = 1) -> NDArray[np.int64]:
        """Whole numbers in low..high, both included, of shape (samples, count)."""
        return low + (self._unit(count) * (high - low + 1)).astype(np.int64)

    def beta(self, alpha: float) -> NDArray[np.float64]:
        """Numbers of the symmetric Beta(alpha, alpha) distribution, of shape (samples,), by Johnk's method."""
        result = np.zeros(len(self))
        open_ = np.ones(len(self), dtype=np.bool_)
        while open_.any():
            x, y = np.log1p(-self._unit(2)).T / alpha  # logarithms: the powers underflow for a small alpha
            total = np.logaddexp(x, y)
            done = open_ & (total <= 0)
            result[done] = np.exp(x - total)[done]
            open_ &= ~done
        return result

    def _unit(self, count: int) -> NDArray[np.float64]:
        places = np.arange(self._used + 1, self._used + count + 1, dtype=np.uint64)
        self._used += count
        return (_mix(self._keys[:, None] + _STEP * places) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _scramble(value: int) -> int:
    """What `_mix` does, for one number."""
    value = (value ^ (value >> 30)) * int(_FIRST) % 2**64
    value = (value ^ (value >> 27)) * int(_SECOND) % 2**64
    return value ^ (value >> 31)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))
