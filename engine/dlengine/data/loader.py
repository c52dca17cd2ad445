"""Batches of a data set for a loop of one's own: the order that `fit` uses, read ahead, with a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from dlengine.data.dataset import Batches, want_batches
from dlengine.data.order import BatchOrder, Share
from dlengine.data.prefetch import Prefetch
from dlengine.errors import EngineError, whole
from dlengine.parallel.place import pick_device, read_place


class Loader:
    """Batches (x, y) of this rank; one pass over it is what is left of an epoch, and then the next begins.

    batch_size: samples per rank. The order follows from seed and epoch alone, and an epoch holds each sample exactly
    once over all ranks. All ranks make the same number of steps: the last one is smaller, down to an empty batch where
    there are fewer samples than ranks; `drop_last` leaves it out.
    prefetch: batches to prepare ahead in a thread; by default what the data set asks for. device: batches arrive
    there, from pinned memory where it is a GPU.
    `state_dict` is exact in the middle of an epoch, also for another number of ranks.
    """

    def __init__(
        self,
        data: Batches,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        prefetch: int | None = None,
        device: str | torch.device = "cpu",
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        whole("batch_size", batch_size, least=1)
        want_batches(data, "the data is")
        here = read_place()
        self.order = BatchOrder(
            len(data),
            batch_size,
            seed,
            here.world if world is None else world,
            here.rank if rank is None else rank,
            shuffle,
        )
        self.data = data
        self.epoch = 0
        self.drop_last = drop_last
        self.device = pick_device(device, here)
        self._depth = getattr(data, "prefetch", 0) if prefetch is None else prefetch
        self._offset = 0

    def __len__(self) -> int:
        """Steps in an epoch."""
        whole = len(self.data) // (self.order.batch * self.order.world)
        return whole if self.drop_last else self.order.steps

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; in the current one, stay."""
        if epoch != self.epoch:
            self.epoch, self._offset = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Where the run is in the data, after the batches that were handed out."""
        return {"epoch": self.epoch, "offset": self._offset}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        try:
            self.epoch, self._offset = int(state["epoch"]), int(state["offset"])
        except (KeyError, TypeError, ValueError):
            raise EngineError(f"{state!r} is no state of a Loader", "give what its state_dict() returned") from None

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for share, x, y in feed(self.data, self._shares(), self.epoch, self._depth, self.device):
            self._offset = share.end
            yield _each(self._there, x), _each(self._there, y)
        self.set_epoch(self.epoch + 1)

    def _there(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, non_blocking=True)

    def _shares(self) -> Iterator[Share]:
        full = self.order.batch * self.order.world
        for share in self.order.shares(self.epoch, self._offset):
            if share.total == full or not self.drop_last:
                yield share


def feed(
    data: Batches, shares: Iterator[Share], epoch: int, depth: int, device: torch.device
) -> Iterator[tuple[Share, Any, Any]]:
    """Each share with its batch, still on the CPU, prepared up to `depth` steps ahead in a thread; pinned for a GPU."""
    set_epoch = getattr(data, "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)
    ready = _read(data, shares, pin=device.type == "cuda")
    if depth < 1:
        yield from ready
        return
    with Prefetch(ready, depth) as ahead:
        yield from ahead


def _read(data: Batches, shares: Iterator[Share], *, pin: bool) -> Iterator[tuple[Share, Any, Any]]:
    for share in shares:
        x, y = data.batch(share.indices)
        yield (share, _each(_pinned, x), _each(_pinned, y)) if pin else (share, x, y)
        del x, y  # gone before the next ones are made


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy from which a GPU reads while the processor goes on; a tensor that is on a GPU stays there."""
    return tensor.pin_memory() if tensor.device.type == "cpu" else tensor


def _each(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """`function` of a tensor, or of all in a tuple, list or dict of them."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: _each(function, part) for key, part in value.items()}
    return tuple(_each(function, part) for part in value)
