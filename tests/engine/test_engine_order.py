from __future__ import annotations

import itertools

import numpy as np
from dlengine.data import BatchOrder, split
from hypothesis import given
from hypothesis import strategies as st

sizes = st.integers(1, 300)
worlds = st.integers(1, 9)
batches = st.integers(1, 40)


@given(sizes, worlds, batches, st.integers(0, 5), st.integers(0, 3), st.data())
def test_ranks_together_read_every_sample_once_in_the_serial_order(size, world, batch, epoch, seed, data):
    serial = BatchOrder(size, batch * world, seed)
    ranks = [BatchOrder(size, batch, seed, world, rank) for rank in range(world)]
    start = data.draw(st.integers(0, size))
    steps = list(zip(*(rank.shares(epoch, start) for rank in ranks), strict=True))
    whole = list(serial.shares(epoch, start))
    assert len(steps) == len(whole)
    for shares, share in zip(steps, whole, strict=True):
        together = np.concatenate([part.indices for part in shares])
        assert together.tolist() == share.indices.tolist()
        assert {part.total for part in shares} == {len(together)}
        assert {part.end for part in shares} == {share.end}
        assert max(len(part.indices) for part in shares) <= batch
    if start == 0:
        assert len(steps) == ranks[0].steps
        assert sorted(np.concatenate([share.indices for share in whole])) == list(range(size))


@given(st.integers(0, 1000), worlds)
def test_split_covers_the_range_with_parts_that_differ_by_at_most_one(total, world):
    parts = [split(total, world, rank) for rank in range(world)]
    assert parts[0][0] == 0
    assert parts[-1][1] == total
    assert all(before[1] == after[0] for before, after in itertools.pairwise(parts))
    lengths = {end - begin for begin, end in parts}
    assert max(lengths) - min(lengths) <= 1


def test_order_changes_with_the_epoch_and_the_seed_and_with_nothing_else():
    first = BatchOrder(50, 4, seed=1).indices(0).tolist()
    assert first == BatchOrder(50, 9, seed=1, world=3, rank=2).indices(0).tolist()
    assert first != BatchOrder(50, 4, seed=1).indices(1).tolist()
    assert first != BatchOrder(50, 4, seed=2).indices(0).tolist()
    assert BatchOrder(5, 2, shuffle=False).indices(3).tolist() == [0, 1, 2, 3, 4]
