"""Reading ahead in a thread, and the loader for a loop of one's own."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter

import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import Augmented, BatchOrder, Dataset, Loader, Prefetch
from dlengine.data.augment import Cutout, Flip, Shift
from dlengine.data.loader import feed
from hypothesis import given
from hypothesis import strategies as st


def ends(thread_count, seconds=5):
    """Wait until no more threads than before are there."""
    deadline = time.monotonic() + seconds
    while threading.active_count() > thread_count:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.005)


def test_items_arrive_in_order_and_only_so_many_are_made_ahead():
    made = []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    before = threading.active_count()
    with Prefetch(items(), depth=3) as ahead:
        assert next(ahead) == 0
        assert list(ahead) == list(range(1, 10))
        with pytest.raises(StopIteration):
            next(ahead)
    ends(before)
    made.clear()
    with Prefetch(items(), depth=3):
        deadline = time.monotonic() + 5
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert made == [0, 1, 2, 3]  # three wait, the fourth is in the producer's hands
    ends(before)


def test_what_the_producer_raises_arrives_in_its_place():
    def items():
        yield 1
        raise EngineError("the third record is damaged", "replace it")

    ahead = Prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(EngineError, match="third record"):
        next(ahead)
    assert list(ahead) == []
    with pytest.raises(TypeError):
        next(Prefetch(3))


@pytest.mark.parametrize("way", ["close", "drop"])
def test_leaving_early_ends_the_thread_and_the_source(way):
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    ahead = Prefetch(items())
    next(ahead)
    if way == "close":
        ahead.close()
    else:
        del ahead
        gc.collect()
    assert closed.wait(5)
    ends(before)


class Numbers:
    """Sample n is the number n; it notices the thread that reads it."""

    prefetch = 0

    def __init__(self, size):
        self.size = size
        self.threads = set()

    def __len__(self):
        return self.size

    def batch(self, indices):
        self.threads.add(threading.current_thread().name)
        chosen = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        return chosen.float()[:, None], chosen


@given(
    size=st.integers(1, 60),
    batch=st.integers(1, 9),
    worlds=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    cut=st.integers(0, 10),
    prefetch=st.integers(0, 2),
)
def test_an_epoch_has_each_sample_once_even_when_resumed_with_other_ranks(size, batch, worlds, cut, prefetch):
    read = Counter()
    states = []
    for rank in range(worlds[0]):
        loader = Loader(Numbers(size), batch, rank=rank, world=worlds[0], prefetch=prefetch, seed=3)
        assert len(loader) == len(list(loader))
        loader.load_state_dict({"epoch": 0, "offset": 0})
        iterator = iter(loader)
        for _, y in zip(range(min(cut, len(loader) - 1)), (y for _, y in iterator), strict=False):
            read.update(y.tolist())
        states.append(loader.state_dict())
    assert all(state == states[0] for state in states)
    for rank in range(worlds[1]):
        loader = Loader(Numbers(size), batch, rank=rank, world=worlds[1], prefetch=prefetch, seed=3)
        loader.load_state_dict(states[0])
        read.update(number for _, y in loader for number in y.tolist())
        assert loader.state_dict() == {"epoch": 1, "offset": 0}
    assert read == Counter(range(size))


def test_the_last_step_may_be_left_out():
    loader = Loader(Numbers(10), 4, drop_last=True)
    assert [len(y) for _, y in loader] == [4, 4]
    assert len(loader) == 2
    with pytest.raises(EngineError, match="batch_size=0"):
        Loader(Numbers(10), 0)


def test_a_data_set_decides_whether_a_thread_reads_it():
    data = Numbers(4)
    list(Loader(data, 2))
    assert data.threads == {threading.current_thread().name}
    data.prefetch = 2
    list(Loader(data, 2))
    assert "dlengine-prefetch" in data.threads


def test_batches_for_a_gpu_are_pinned_in_the_background_whatever_they_are_made_of(monkeypatch):
    pinned = []

    def pin(tensor):
        pinned.append(threading.current_thread().name)
        return tensor

    class Pairs(Numbers):
        prefetch = 1

        def batch(self, indices):
            x, y = super().batch(indices)
            return {"left": x, "right": (x, y)}, y

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    data = Pairs(5)
    shares = BatchOrder(5, 5, shuffle=False).shares(0)
    [(_, x, y)] = feed(data, shares, 0, data.prefetch, torch.device("cuda"))
    assert pinned == ["dlengine-prefetch"] * 4
    assert x["right"][1].tolist() == y.tolist() == [0, 1, 2, 3, 4]
    [(x, _)] = Loader(data, 5, shuffle=False)
    assert x["left"][:, 0].tolist() == [0, 1, 2, 3, 4]


def test_the_loader_tells_the_epoch():
    data = Augmented(Dataset(np.zeros((6, 1, 2, 2)), np.zeros(6, int)), [lambda x, draws: x + draws.uniform().sum()])
    loader = Loader(data, 6)
    [(first, _)], [(second, _)] = list(loader), list(loader)
    assert data.epoch == 1
    assert not torch.equal(first, second)


def test_a_batch_size_may_be_a_number_of_numpy():
    assert len(Loader(Numbers(8), np.int64(4))) == 2


def test_transforms_take_numbers_of_numpy():
    made = [Shift(np.int64(2)), Cutout(np.int64(3)), Flip(np.float32(0.5))]
    x, _ = Augmented(Dataset(np.zeros((4, 1, 8, 8), np.float32), np.zeros(4, int)), made).batch([0, 1])
    assert x.shape == (2, 1, 8, 8)
