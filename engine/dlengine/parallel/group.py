"""What the ranks exchange: gradients, sums, votes and bytes. Alone, everything is a no-op."""

from __future__ import annotations

import atexit
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from dlengine.errors import EngineError
from dlengine.parallel.place import Place

# A thread of Gloo may drop a tensor last. When Python made that tensor, the thread then needs the interpreter's lock,
# and the process hangs if it is just destroying the group. So the latest tensors are kept here.
_recent: deque[torch.Tensor] = deque(maxlen=8)


class Vote:
    """The largest of the codes that the ranks gave, exchanged in the background until `result` is asked for."""

    def __init__(self, code: torch.Tensor | int, work: Any = None) -> None:
        self._code = code
        self._work = work

    def result(self) -> int:
        """The same number on every rank; waits for the slowest one."""
        if self._work is not None:
            self._work.wait()
        return int(self._code)


class Group:
    """The ranks of one training run, as seen by one of them."""

    def __init__(self, place: Place, device: torch.device) -> None:
        self.rank = place.rank
        self.world = place.world
        self.device = device

    @classmethod
    @contextmanager
    def join(cls, place: Place, device: torch.device) -> Iterator[Group]:
        """Meet the other ranks (NCCL between GPUs, Gloo between CPUs) for a while.

        A process that is alone makes no process group. One that the caller made is used; one that is made here serves
        all later calls, and is destroyed when the process ends.
        """
        if place.world > 1 and not dist.is_initialized():
            _initialise(place, device)
        if dist.is_initialized():
            place = Place(dist.get_rank(), dist.get_world_size(), place.local_rank)
        group = cls(place, device)
        try:
            yield group
        except RuntimeError as error:
            if _peer_is_gone(error):
                raise EngineError(
                    f"rank {place.rank} lost the connection to another rank",
                    "the first error is in that rank's log, or its machine is gone",
                ) from None
            raise
        group.wait()

    def wrap(self, model: nn.Module, *, some_unused: bool) -> nn.Module:
        """The model with gradients that are averaged over the ranks during its backward pass.

        Parameters and buffers become those of rank 0, once. `some_unused`: a part of the parameters gets no gradient.
        """
        if self.world == 1:
            return model
        # Convolutions with one input channel have gradients in another but equivalent memory order; torch warns of it.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        wrapped = nn.parallel.DistributedDataParallel(
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            find_unused_parameters=some_unused,
        )
        # Not in every step: they are rank 0's at the end of each epoch, see share_buffers. As an argument this would
        # leave out the first time too, and its name differs between versions of torch.
        wrapped.broadcast_buffers = False
        return wrapped

    def average_gradients(self, model: nn.Module) -> None:
        """What the wrapped model does by itself, for a step in which some rank has no sample and no backward pass."""
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad /= self.world

    def wait(self) -> None:
        """Until all ranks have come here."""
        if self.world > 1:
            dist.barrier()

    def vote(self, code: torch.Tensor) -> Vote:
        """Begin to find the largest `code` (one number, on this rank's device) of all ranks."""
        if self.world == 1:
            return Vote(code)
        _recent.append(code)
        return Vote(code, dist.all_reduce(code, op=dist.ReduceOp.MAX, async_op=True))

    def agree(self, code: int) -> int:
        """The largest `code` of all ranks."""
        return code if self.world == 1 else self.vote(torch.tensor(code, device=self.device)).result()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values` added up over the ranks, in place."""
        if self.world > 1:
            _recent.append(values)
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
    """Make torch's default process group from torchrun's environment."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group(backend, rank=place.rank, world_size=place.world)
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"rank {place.rank} of {place.world} could not meet the others: {str(error).splitlines()[0]}",
            "MASTER_ADDR and MASTER_PORT must lead every machine to the first one; start with torchrun",
        ) from None
    atexit.register(_destroy)


def _destroy() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _peer_is_gone(error: RuntimeError) -> bool:
    text = str(error)
    signs = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL communicator was aborted")
    return any(sign in text for sign in signs)
