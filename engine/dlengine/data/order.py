"""Which samples each rank reads in each step: reproducible, and every sample once an epoch.

The order depends on seed and epoch alone. A step takes the next `world * batch` entries of it, the global batch, and
splits them over the ranks. So one rank with batch 2b and two ranks with batch b see the same global batches, and a
run can resume in the middle of an epoch, even with another number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def split(total: int, world: int, rank: int) -> tuple[int, int]:
    """Begin and end of the part of `range(total)` that belongs to `rank`.

    Parts are consecutive and differ by at most one in size; the first ranks get the larger ones.
    """
    size, extra = divmod(total, world)
    begin = rank * size + min(rank, extra)
    return begin, begin + size + (rank < extra)


@dataclass(frozen=True)
class Share:
    """One rank's part of a global batch: `indices` (may be empty), the batch's size, and the position after it."""

    indices: NDArray[np.int64]
    total: int
    end: int


@dataclass(frozen=True)
class BatchOrder:
    """The batches of a data set of `size` samples, `batch` of them a rank and step, over `world` ranks."""

    size: int
    batch: int
    seed: int = 0
    world: int = 1
    rank: int = 0
    shuffle: bool = True

    @property
    def steps(self) -> int:
        """Steps in one epoch."""
        return -(-self.size // (self.batch * self.world))

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """All samples, in the order of this epoch."""
        if not self.shuffle:
            return np.arange(self.size)
        return np.random.default_rng((self.seed, epoch)).permutation(self.size)

    def shares(self, epoch: int, start: int = 0) -> Iterator[Share]:
        """This rank's shares of an epoch, from the `start`-th entry of its order on.

        The last global batch holds what is left, down to one sample, so that a rank's share may be empty.
        """
        order = self.indices(epoch)
        for begin in range(start, self.size, self.batch * self.world):
            end = min(begin + self.batch * self.world, self.size)
            first, last = split(end - begin, self.world, self.rank)
            yield Share(order[begin + first : begin + last], end - begin, end)
