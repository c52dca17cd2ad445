"""Data that is read through: generators, loaders and other iterables, whose length may be unknown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, default_collate

from dlengine.data import Loader, split
from dlengine.errors import EngineError
from dlengine.parallel import Place
from dlengine.train import tensors
from dlengine.train.feed import Check, Piece
from dlengine.train.rng import Timeline


class Stream:
    """Batches (x, y) from an iterable, or from a function that makes a new iterator for each epoch.

    source: a loader, an iterable, an iterator (which can be read once), or a function of nothing or of the epoch.
    length: batches of an epoch, where it is known. sharded: each rank's source gives other samples; otherwise all
    ranks read the same batches, and each takes its part of every one.
    A source may have `set_epoch(epoch)`, which is called before each epoch, `sharded`, and `state_dict` and
    `load_state_dict`, without which a resumed run reads again what it had read of the epoch.
    """

    def __init__(
        self, source: Iterable[Any] | Callable[..., Any], *, length: int | None = None, sharded: bool = False
    ) -> None:
        self.source = source
        self.length = length if length is not None else _length(source)
        own = isinstance(source, Loader) or isinstance(getattr(source, "sampler", None), DistributedSampler)
        self.sharded = sharded or own or bool(getattr(source, "sharded", False))
        self.once = isinstance(source, Iterator)
        self._wants_epoch = not isinstance(source, Iterable) and _required(source) > 0

    def open(self, epoch: int) -> Iterator[Any]:
        """An iterator over the batches of an epoch."""
        tell: Any
        for tell in (self.source, getattr(self.source, "sampler", None)):
            if hasattr(tell, "set_epoch"):
                tell.set_epoch(epoch)
        if isinstance(self.source, Iterable):
            return iter(self.source)
        made = self.source(epoch) if self._wants_epoch else self.source()
        if not isinstance(made, Iterable):
            raise EngineError(
                f"the function for the data returned a {type(made).__name__}", "return an iterator over batches (x, y)"
            )
        return iter(made)

    def batches(self, epoch: int = 0) -> Iterator[tuple[Any, Any]]:
        """The batches of an epoch as tensors. Raises EngineError for one that is no pair (x, y)."""
        for number, item in enumerate(self.open(epoch)):
            yield pair(item, number)


def _required(function: Callable[..., Any]) -> int:
    """How many arguments it wants, at most the epoch."""
    wanted = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if len(wanted) > 1:
        raise EngineError(
            f"the function for the data wants {', '.join(wanted)}", "give a function of nothing, or of the epoch"
        )
    return len(wanted)


class Samples(IterableDataset):
    """An IterableDataset's samples, collected in batches."""

    def __init__(self, dataset: IterableDataset[Any], batch: int) -> None:
        self.dataset = dataset
        self.batch = batch

    def __iter__(self) -> Iterator[Any]:
        held: list[Any] = []
        for sample in self.dataset:
            held.append(sample)
            if len(held) == self.batch:
                yield default_collate(held)
                held = []
        if held:
            yield default_collate(held)

    def set_epoch(self, epoch: int) -> None:
        """Handed on to the data set."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)


class Streamed:
    """A Stream as a Feed. Its random numbers follow from seed and epoch, whatever the model draws in between.

    So a run can resume in the middle of an epoch: the stream is read again up to that place.
    """

    def __init__(self, stream: Stream, seed: int, place: Place) -> None:
        self.stream = stream
        self.samples: int | None = None
        self.steps: int | None = stream.length
        self.check: Check | None = None
        self._seed = seed
        self._place = place
        self._peeked: Iterator[tuple[Any, Any]] | None = None
        self._opened = False
        self._restored = False

    def state(self) -> Any:
        """The source's own state, where it has one."""
        source: Any = self.stream.source
        return source.state_dict() if hasattr(source, "load_state_dict") else None

    def load(self, state: Any) -> None:
        """Put the source there, so that nothing has to be read again."""
        source: Any = self.stream.source
        if state is not None and hasattr(source, "load_state_dict"):
            self._peeked = None
            source.load_state_dict(state)
            self._restored = True

    def pieces(self, epoch: int, start: int) -> Iterator[Piece]:
        """See Feed."""
        batches = self._batches(epoch)
        seen, self._restored = start if self._restored else 0, False
        while True:
            item = next(batches, None)
            own = 0 if item is None else tensors.size(item[0])
            total, idle = self._agree(own)
            if total == 0:
                return
            seen += total
            if seen > start:
                yield self._piece(item, own, total, seen, idle)

    def peek(self) -> tuple[Any, Any]:
        """See Feed; the batch is not lost."""
        batches = self._batches(0)
        first = next(batches, None)
        if first is None or tensors.size(first[0]) == 0:
            raise EngineError("the training data is empty", "the iterator gave no batch")
        self._peeked = _chain(first, batches)
        return first

    def _piece(self, item: Any, own: int, total: int, seen: int, idle: bool) -> Piece:
        if item is None:
            return Piece(None, None, 0, total, seen, idle)
        x, y = item
        if not self.stream.sharded and self._place.world > 1:
            first, last = split(own, self._place.world, self._place.rank)
            x, y, own = tensors.part(x, first, last), tensors.part(y, first, last), last - first
        if self.check is not None and own:
            self.check(y, None)
        return Piece(x, y, own, total, seen, idle)

    def _agree(self, own: int) -> tuple[int, bool]:
        """Samples of the step over all ranks, and whether some rank has none."""
        world = self._place.world
        if world == 1:
            return own, own == 0
        sums = torch.tensor([own, own * own, own == 0])
        dist.all_reduce(sums)
        count, squares, without = sums.tolist()
        if self.stream.sharded:
            return count, without > 0
        if world * squares != count * count:
            raise EngineError(
                f"the ranks read batches of different sizes, {own} on rank {self._place.rank}",
                "give every rank the same batches, or dlengine.Stream(..., sharded=True) where each reads its own",
            )
        return own, own < world

    def _batches(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        """The batches of an epoch, each read with the stream's own random numbers."""
        if epoch == 0 and self._peeked is not None:
            peeked, self._peeked = self._peeked, None
            return peeked
        return self._read(epoch)

    def _read(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        if self.stream.once and self._opened:
            raise EngineError(
                f"the iterator ended before epoch {epoch + 1}",
                "an iterator can be read once: give a function that makes a new one for each epoch",
            )
        self._opened = True
        rank = (self._place.rank,) if self.stream.sharded else ()
        timeline = Timeline(self._seed, epoch, *rank)
        with timeline:
            batches = self.stream.batches(epoch)
            item = next(batches, None)
        # Workers of a loader have generators of their own; only what runs in this process needs the change.
        drawing = nullcontext() if getattr(self.stream.source, "num_workers", 0) else timeline
        while item is not None:
            yield item
            with drawing:
                item = next(batches, None)


def pair(item: Any, number: int) -> tuple[Any, Any]:
    """A batch as tensors x and y of equal length; integers of y become int64."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise EngineError(f"batch {number} is a {type(item).__name__}, not a pair (x, y)", "yield inputs and targets")
    x, y = tensors.convert(item[0], "inputs"), tensors.convert(item[1], "targets")
    y = tensors.each(lambda part: part if part.is_floating_point() else part.long(), y)
    if tensors.first(x).dim() == 0 or tensors.size(x) != tensors.size(y):
        raise EngineError(
            f"batch {number} has inputs {tuple(tensors.first(x).shape)} and targets {tuple(tensors.first(y).shape)}",
            "the first axis of both counts the samples; it must be the same",
        )
    return x, y


def _chain(first: tuple[Any, Any], rest: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    yield first
    yield from rest


def _length(source: Any) -> int | None:
    try:
        length = len(source)
    except (TypeError, NotImplementedError):
        return None
    return length if isinstance(source, DataLoader) or length else None
