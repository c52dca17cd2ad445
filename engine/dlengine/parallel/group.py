"""What the ranks exchange: gradients, sums, votes and bytes. Alone, everything is a no-op."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from dlengine.errors import EngineError
from dlengine.parallel.place import Place

_joined = itertools.count()
_stores: list[Any] = []


class Vote:
    """The largest of the codes that the ranks gave, exchanged in the background until `result` is asked for."""

    def __init__(self, code: torch.Tensor, work: Any) -> None:
        self._code = code
        self._work = work

    def result(self) -> int:
        """The same number on every rank; waits for the slowest one."""
        if self._work is not None:
            self._work.wait()
        return int(self._code.item())


class Group:
    """The ranks of one training run, as seen by one of them."""

    def __init__(self, place: Place, device: torch.device) -> None:
        self.rank = place.rank
        self.world = place.world
        self.device = device

    @classmethod
    @contextmanager
    def join(cls, place: Place, device: torch.device) -> Iterator[Group]:
        """Meet the other ranks (NCCL between GPUs, Gloo between CPUs) and leave them at the end.

        A process that is alone makes no process group; one that the caller made is used and left in place.
        """
        if place.world == 1 and not dist.is_initialized():
            yield cls(place, device)
            return
        made = not dist.is_initialized()
        if made:
            _initialise(place, device)
        elif dist.get_world_size() != place.world or dist.get_rank() != place.rank:
            place = Place(dist.get_rank(), dist.get_world_size(), place.local_rank)
        try:
            yield cls(place, device)
        except RuntimeError as error:
            if _peer_is_gone(error):
                raise EngineError(
                    f"rank {place.rank} lost the connection to another rank",
                    "the first error is in that rank's log, or its machine is gone",
                ) from None
            raise
        finally:
            if made:
                dist.destroy_process_group()

    def wrap(self, model: nn.Module, *, some_unused: bool) -> nn.Module:
        """The model with gradients that are averaged over the ranks during its backward pass.

        Parameters and buffers become those of rank 0. `some_unused`: a part of the parameters gets no gradient.
        """
        if self.world == 1:
            return model
        return nn.parallel.DistributedDataParallel(
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            gradient_as_bucket_view=False,
            find_unused_parameters=some_unused,
        )

    def average_gradients(self, model: nn.Module) -> None:
        """What the wrapped model does by itself, for a step in which some rank has no sample and no backward pass."""
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= self.world

    def vote(self, code: torch.Tensor) -> Vote:
        """Begin to find the largest `code` (one number, on this rank's device) of all ranks."""
        if self.world == 1:
            return Vote(code, None)
        return Vote(code, dist.all_reduce(code, op=dist.ReduceOp.MAX, async_op=True))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values` added up over the ranks, in place."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def share_buffers(self, model: nn.Module) -> None:
        """Give every rank the buffers (running statistics of BatchNorm) of rank 0."""
        if self.world > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, src=0)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's `value`, in rank order, on every rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Any) -> Any:
        """Rank 0's `value`, on every rank."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def bytes_from_first(self, data: bytes) -> bytes:
        """Rank 0's `data`, on every rank, without a second copy in a pickle."""
        if self.world == 1:
            return data
        size = int(self.from_first(len(data)))
        buffer = torch.empty(size, dtype=torch.uint8)
        if self.rank == 0:
            buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        buffer = buffer.to(self.device)
        dist.broadcast(buffer, src=0)
        return buffer.cpu().numpy().tobytes()


def _initialise(place: Place, device: torch.device) -> None:
    """Make torch's default process group, under keys of its own so that a script can call fit more than once."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        if not _stores:
            store, _, _ = next(dist.rendezvous("env://", place.rank, place.world))
            _stores.append(store)
        prefixed = dist.PrefixStore(f"dlengine/{next(_joined)}", _stores[0])
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group(backend, store=prefixed, rank=place.rank, world_size=place.world)
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"rank {place.rank} of {place.world} could not meet the others: {str(error).splitlines()[0]}",
            "MASTER_ADDR and MASTER_PORT must lead every machine to the first one; start with torchrun",
        ) from None


def _peer_is_gone(error: RuntimeError) -> bool:
    text = str(error)
    signs = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL communicator was aborted")
    return any(sign in text for sign in signs)
