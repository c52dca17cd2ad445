"""Where batches come from: a data set that is indexed, or a stream that is read through.

Both give `Piece`s, one rank's part of each global batch, so that the loop knows no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import torch

from dlengine.data import Batches, BatchOrder
from dlengine.data.loader import feed
from dlengine.errors import EngineError
from dlengine.parallel import Place
from dlengine.train import tensors

Check = Callable[[Any, Any], None]


class Piece(NamedTuple):
    """One rank's part of a global batch, on the CPU: `size` samples of `total`, and the position after them.

    `idle`: some rank has no sample. `indices` are the samples' numbers, None in a stream.
    """

    x: Any
    y: Any
    size: int
    total: int
    end: int
    idle: bool = False
    indices: Any = None


class Feed(Protocol):
    """Batches to train on.

    `samples` and `steps` are those of an epoch, None where nobody knows. `check` is called with the targets and the
    samples' numbers of each piece, unless they were all checked before.
    """

    samples: int | None
    steps: int | None
    check: Check | None

    def state(self) -> Any:
        """What a checkpoint keeps beside the position; None for nothing."""
        ...

    def load(self, state: Any) -> None:
        """Go on from there."""
        ...

    def pieces(self, epoch: int, start: int) -> Iterator[Piece]:
        """This rank's pieces of an epoch, from the `start`-th sample on."""
        ...

    def peek(self) -> tuple[Any, Any]:
        """A few samples, or the first batch, to look at."""
        ...


class Indexed:
    """A data set with `len()` and `batch(indices)`, in an order that follows from seed and epoch."""

    def __init__(self, data: Batches, batch: int, seed: int, place: Place, device: torch.device) -> None:
        self.data = data
        self.samples: int | None = len(data)
        self.check: Check | None = None
        self._order = BatchOrder(len(data), batch, seed, place.world, place.rank)
        self.steps: int | None = self._order.steps
        self._world = place.world
        self._device = device

    def state(self) -> Any:
        """Nothing: the position says it all."""
        return None

    def load(self, state: Any) -> None:
        """Nothing."""

    def pieces(self, epoch: int, start: int) -> Iterator[Piece]:
        """See Feed."""
        ahead = getattr(self.data, "prefetch", 0)
        for share, x, y in feed(self.data, self._order.shares(epoch, start), epoch, ahead, self._device):
            if len(share.indices) != tensors.size(x):
                raise EngineError(
                    f"the data's batch() of {len(share.indices)} samples gave {tensors.size(x)}",
                    "give one for each index",
                )
            if self.check is not None and len(share.indices):
                self.check(y, share.indices)
            yield Piece(x, y, len(share.indices), share.total, share.end, share.total < self._world, share.indices)
            del x, y

    def peek(self) -> tuple[Any, Any]:
        """See Feed."""
        return self.data.batch(range(min(2, len(self.data))))
