"""Tar shards from a web server or S3, read in their order: each rank its own part, shuffled in a buffer."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from dlengine.data.augment import Transform
from dlengine.data.draws import Draws
from dlengine.data.fields import Decode, Decoded, Fields, members
from dlengine.data.order import split
from dlengine.data.prefetch import Prefetch
from dlengine.data.remote import Opener, Source
from dlengine.data.samples import Sample, pool, stack
from dlengine.data.shards import expand, read_shard_index
from dlengine.data.tar import entries
from dlengine.errors import EngineError
from dlengine.parallel.place import read_place

T = TypeVar("T")
Batch = tuple[torch.Tensor, torch.Tensor]


class Item(NamedTuple):
    """A sample as it was read: number and place of its shard, its name, and its files."""

    shard: int
    place: int
    key: str
    fields: Fields


class ShardStream:
    """Batches (x, y) of one rank, from tar shards at any address, for `fit` or a loop over it.

    urls: as for `Shards`, and http(s)://, s3:// and what `opener` opens; or the address of an index.json.
    shuffle: samples in the buffer that the next one is drawn from; 0 keeps the order. Shards come in a new order in
    each epoch.
    sizes: samples in each shard, which the index.json says. With them every rank reads its own part only, and all
    ranks make the same number of steps, save a last one with fewer samples than ranks. Without them every rank reads
    all and keeps each `world`-th sample.
    transforms: as for `Augmented`; a sample's number is that of its shard and place.
    rank, world: by default those of torchrun's environment.
    An epoch holds each sample exactly once over all ranks. `state_dict` is exact in the middle of an epoch, for the
    same number of ranks.
    """

    sharded = True  # tells `fit` that ranks read different samples

    def __init__(
        self,
        urls: str | Path | Sequence[str | Path],
        batch_size: int,
        *,
        x: str | None = None,
        y: str = "cls",
        size: int | tuple[int, int] | None = None,
        mode: str = "RGB",
        decode: Decode | None = None,
        sizes: Sequence[int] | None = None,
        shuffle: int = 1000,
        seed: int = 0,
        transforms: Sequence[Transform] = (),
        prefetch: int = 2,
        rank: int | None = None,
        world: int | None = None,
        opener: Opener | None = None,
    ) -> None:
        if isinstance(urls, str | Path) and str(urls).endswith(".json"):
            self.urls, sizes = read_shard_index(str(urls), opener)
        else:
            self.urls = expand(urls)
        if sizes is not None and len(sizes) != len(self.urls):
            raise EngineError(f"{len(sizes)} sizes for {len(self.urls)} shards", "give one for each")
        if batch_size < 1 or shuffle < 0:
            raise EngineError(f"batch_size={batch_size}, shuffle={shuffle}", "give at least 1, and at least 0")
        self.rank, self.world = _place(rank, world)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.sizes = None if sizes is None else list(sizes)
        self.epoch = 0
        self._decode, self._decoded = decode, Decoded(x, y, size, mode)
        self._transforms, self._prefetch, self._opener = list(transforms), prefetch, opener
        self._emitted = 0  # samples of this epoch that were handed out
        self._read: int | None = self._share()

    def __len__(self) -> int:
        """Batches of this rank in an epoch; TypeError when the sizes of the shards are not known."""
        if self.sizes is None:
            raise TypeError("the number of samples is not known: give sizes= or an index.json")
        return -(-(self._share() or 0) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        if epoch != self.epoch:
            self.epoch, self._emitted = epoch, 0
            self._read = self._share()

    def state_dict(self) -> dict[str, Any]:
        """Where this rank is, after the batches that were handed out."""
        return {"epoch": self.epoch, "emitted": self._emitted, "read": self._read, "world": self.world}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises EngineError when the number of ranks is another one."""
        if state["world"] != self.world:
            raise EngineError(
                f"the state is of {state['world']} ranks, this is one of {self.world}", "begin at an epoch instead"
            )
        self.epoch, self._emitted, self._read = state["epoch"], state["emitted"], state["read"]

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the epoch; then the next one begins."""
        with Prefetch(self._batches(), self._prefetch) as ready:
            for batch, count, read in ready:
                self._emitted += count
                self._read = read
                yield batch
        self.set_epoch(self.epoch + 1)

    def _batches(self) -> Iterator[tuple[Batch, int, int | None]]:
        """Batches, their sizes, and how many samples there are in all, once that is known."""
        emitted, read = self._emitted, [self._read]
        done: set[int] = set()
        if emitted:  # what the buffer does depends on numbers alone, so it can be repeated without reading
            numbers = count() if self._read is None else range(self._read)
            done.update(islice(self._shuffled(iter(numbers)), emitted))
        items = islice(self._shuffled(self._items(done, read)), emitted, None)
        while chosen := list(islice(items, self.batch_size)):
            yield self._batch([item for item in chosen if item is not None]), len(chosen), read[0]

    def _batch(self, items: list[Item]) -> Batch:
        x, y = stack(list(pool().map(self._sample, items)))
        numbers = np.array([item.shard << 32 | item.place for item in items])
        for number, transform in enumerate(self._transforms, start=1):
            x = transform(x, Draws(self.seed, self.epoch, numbers, number))
        return x, y

    def _sample(self, item: Item) -> Sample:
        if self._decode is not None:
            return self._decode(item.fields)
        return self._decoded(item.fields, f"{self.urls[item.shard]}: {item.key}")

    def _shuffled(self, items: Iterator[T]) -> Iterator[T]:
        """Each next item is drawn from a buffer; the same way for any items."""
        generator = random.Random(f"{self.seed} {self.epoch} {self.rank}")
        held = list(islice(items, self.shuffle))
        for item in items:
            place = generator.randrange(len(held)) if held else 0
            if held:
                held[place], item = item, held[place]
            yield item
        generator.shuffle(held)
        yield from held

    def _items(self, done: set[int], read: list[int | None]) -> Iterator[Item | None]:
        """This rank's samples as they are read; None for those in shards whose samples are all `done`."""
        number = passed = 0
        for shard, first, last in self._parts():
            if last is not None and all(each in done for each in range(number, number + last - first)):
                yield from repeat(None, last - first)
                number += last - first
                continue
            for item in self._read_shard(shard, first, last):
                if self.sizes is not None or passed % self.world == self.rank:
                    yield item
                    number += 1
                passed += 1
        read[0] = number

    def _share(self) -> int | None:
        """Samples of this rank in an epoch, where that is known."""
        if self.sizes is None:
            return None
        begin, end = self._range()
        return end - begin

    def _parts(self) -> Iterator[tuple[int, int, int | None]]:
        """Shard, first and last sample of what this rank reads, in this epoch's order."""
        order = list(range(len(self.urls)))
        if self.shuffle:
            random.Random(f"{self.seed} {self.epoch}").shuffle(order)
        if self.sizes is None:
            yield from ((shard, 0, None) for shard in order)
            return
        begin, end = self._range()
        place = 0
        for shard in order:
            first, last = max(begin - place, 0), min(end - place, self.sizes[shard])
            if first < last:
                yield shard, first, last
            place += self.sizes[shard]

    def _range(self) -> tuple[int, int]:
        """Where this rank's part of all samples begins and ends: as many full batches for each, and the rest split."""
        assert self.sizes is not None
        full, rest = divmod(sum(self.sizes), self.batch_size * self.world)
        first, last = split(rest, self.world, self.rank)
        begin = self.rank * full * self.batch_size + first
        return begin, begin + full * self.batch_size + last - first

    def _read_shard(self, shard: int, first: int, last: int | None) -> Iterator[Item]:
        """The samples of a shard from `first` to `last`. Raises EngineError when it holds more or fewer."""
        url, place = self.urls[shard], -1
        with Source(url, self._opener) as source:
            found = members(entries(source), lambda entry: source.exactly(entry.size), url)
            for place, member in enumerate(found):
                if last is not None and place >= last:
                    break
                if place >= first:
                    yield Item(shard, place, member.key, member.fields)
        if self.sizes is not None and last is not None and not last <= place + 1 <= self.sizes[shard]:
            raise EngineError(
                f"{url} holds {'more' if place >= self.sizes[shard] else 'fewer'} than {self.sizes[shard]} samples",
                "correct sizes=, or write the index.json again",
            )


def _place(rank: int | None, world: int | None) -> tuple[int, int]:
    """Rank and number of ranks, from torchrun's environment where they are not given."""
    here = read_place()
    rank, world = here.rank if rank is None else rank, here.world if world is None else world
    if not 0 <= rank < world:
        raise EngineError(f"rank {rank} of {world}", "ranks are numbered from 0")
    return rank, world
