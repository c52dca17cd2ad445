"""One step of one rank: forward, backward and update, in pieces that fit the memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from dlengine.data import split
from dlengine.errors import EngineError
from dlengine.parallel import Group, Vote
from dlengine.train import probe, tensors
from dlengine.train.feed import Piece
from dlengine.train.finite import Guard
from dlengine.train.memory import Rewind, out_of_memory, release
from dlengine.train.meter import Meter
from dlengine.train.precision import Precision
from dlengine.train.setup import Setup

# What ranks vote on in every step; the largest wins.
GO, STOP, LEAVE, BROKEN = range(4)


class Stepper:
    """Makes steps. `micro` samples, None for all, go through `forward` at once; both may be changed between steps."""

    def __init__(self, setup: Setup, group: Group, warn: Callable[[str], None]) -> None:
        self.setup = setup
        self._warn = warn
        self.group = group
        self.micro = setup.settings.micro_batch
        self.optimizer = setup.optimizer
        self.loss = setup.loss
        self.precision = Precision(setup.settings.precision, setup.device)
        self.wrap()
        self._rates = [float(part["lr"]) for part in setup.optimizer.param_groups]
        self._factor: float | None = None
        self._trained = [one for one in setup.model.parameters() if one.requires_grad]
        self.guard = Guard(setup.model)
        self._rewind = Rewind(setup.model, setup.device)
        self._reads = setup.device.type == "cpu"  # where reading a number waits for nothing

    def wrap(self) -> None:
        """Let the backward pass average gradients over the ranks; again, when the weights' memory order has changed."""
        self.forward = self.setup.forward  # what averaged before is gone before the next one begins
        self.forward = self.group.wrap(self.setup.forward, some_unused=bool(self.setup.probe.unused))

    def set_rate(self, factor: float) -> None:
        """Set the learning rates to a part of their peaks."""
        if factor == self._factor:
            return
        self._factor = factor
        for part, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            part["lr"] = rate * factor

    def step(self, piece: Piece, wish: int, meter: Meter) -> tuple[int, float]:
        """Move the weights by one global batch, of which `piece` is this rank's.

        Returns the outcome of the ranks' vote, and the loss where it is BROKEN, which leaves the weights as they were.
        Raises EngineError for gradients that are not finite, and when not even one sample fits the memory.
        """
        return self.finish(piece, *self._gradients(piece, wish, meter))

    def begin(self) -> None:
        """Forget the gradients of the step before."""
        for part in self.optimizer.param_groups:
            for parameter in part["params"]:
                parameter.grad = None

    def backward(self, loss: torch.Tensor, piece: Piece, wish: int) -> tuple[Any, Vote]:
        """The gradients of a loss over the whole piece, for `finish`."""
        value = loss.item() if self._reads else loss.detach().double()
        vote = self._vote(value, wish)
        if piece.size:
            self._backward(loss, piece.size, piece)
        return value, vote

    def finish(self, piece: Piece, loss: Any, vote: Vote) -> tuple[int, float]:
        """Move the weights by the gradients that lie there; see `step`."""
        if piece.idle and self.group.world > 1:
            self.group.average_gradients(self.setup.model)
        outcome = vote.result()
        if outcome == BROKEN:
            return BROKEN, float(loss)
        self.precision.unscale(self.optimizer)
        self._tame()
        self.precision.step(self.optimizer)
        return outcome, 0.0

    def _gradients(self, piece: Piece, wish: int, meter: Meter) -> tuple[Any, Vote]:
        """The gradients of a piece, with as many samples at once as the memory takes."""
        tried = self.micro
        while True:
            mark = meter.mark()
            self._rewind.mark()
            self.begin()
            try:
                result = self._accumulate(piece, wish, meter)
            except (RuntimeError, MemoryError, TypeError, ValueError, IndexError) as error:
                if not out_of_memory(error):
                    self._explain(piece, error)
                    raise
                self._smaller(piece)
            else:
                if self.micro != tried:
                    self._warn(self._told())
                return result
            meter.rewind(mark)
            self._rewind.back()
            release(self.setup.device)

    def _told(self) -> str:
        batch_norm = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.setup.model.modules())
        besides = "; BatchNorm sees no more than these" if batch_norm else ""
        return f"out of memory: goes on with {self.micro} samples at a time (micro_batch={self.micro}){besides}"

    def _smaller(self, piece: Piece) -> None:
        """Halve the micro-batch."""
        now = min(self.micro or piece.size, piece.size)
        if self._in_exchange:
            raise EngineError(
                f"rank {self.group.rank} is out of memory with {now} samples at a time, while it exchanged gradients",
                f"start with micro_batch={max(1, now // 2)}",
            )
        if now <= 1:
            raise EngineError(
                "out of memory with a single sample", 'use precision="bf16", a smaller model or a larger machine'
            )
        self.micro = (now + 1) // 2

    def _explain(self, piece: Piece, error: Exception) -> None:
        """Raise EngineError for a batch that BatchNorm cannot take, or of another shape or type than the first one."""
        if "more than 1 value per channel" in str(error):
            raise EngineError(
                "BatchNorm got a single sample, which has no variance",
                "choose a batch_size that leaves more for the last batch, or a larger micro_batch",
            ) from None
        x, first = tensors.first(piece.x), tensors.first(self.setup.sample[0])
        if (x.shape[1:], x.dtype) != (first.shape[1:], first.dtype):
            with torch.no_grad():
                probe.forward(self.setup.model, tensors.to(piece.x, self.setup.device))

    def _accumulate(self, piece: Piece, wish: int, meter: Meter) -> tuple[Any, Vote]:
        """Forward and backward, `micro` samples at a time; the loss over the piece, and the vote that was begun."""
        self._in_exchange = False
        if not piece.size:
            return 0.0, self._vote(torch.zeros((), device=self.setup.device), wish)
        forward = self.setup.forward if piece.idle else self.forward
        exchanges = self.group.world > 1 and not piece.idle
        parts = -(-piece.size // (self.micro or piece.size))
        total: Any = 0.0
        for number in range(parts):
            begin, end = split(piece.size, parts, number)  # even parts: BatchNorm wants more than one sample
            last = number == parts - 1
            with nullcontext() if last or not exchanges else forward.no_sync():  # type: ignore[operator]
                loss, value = self._forward(forward, piece, begin, end, meter)
                total = total + value * ((end - begin) / piece.size)
                if last:
                    vote = self._vote(total, wish)
                self._in_exchange = last and exchanges
                self._backward(loss, end - begin, piece)
        return total, vote

    def _forward(
        self, forward: nn.Module, piece: Piece, begin: int, end: int, meter: Meter
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """The mean loss of a part of the piece, to go backward from and as a number."""
        whole = end - begin == piece.size
        x, y = piece.x, piece.y
        if not whole:
            x, y = tensors.part(x, begin, end), tensors.part(y, begin, end)
        x, y = tensors.to(x, self.setup.device), tensors.to(y, self.setup.device)
        with self.precision.cast():
            output = tensors.call(forward, x)
            loss = self.loss(output, y)
        value = loss.item() if self._reads else loss.detach().double()
        with torch.no_grad():
            meter.add(value, end - begin, output, y)
        return loss, value

    def _backward(self, loss: torch.Tensor, size: int, piece: Piece) -> None:
        # The ranks' gradients are averaged with equal weights; this makes it the mean over the global batch.
        weight = size * self.group.world / piece.total
        self.precision.scale(loss if weight == 1 else loss * weight).backward()

    def _vote(self, loss: Any, wish: int) -> Vote:
        if self.group.world == 1 and self._reads:
            return Vote(wish if math.isfinite(loss) else BROKEN)
        loss = torch.as_tensor(loss, device=self.setup.device)
        return self.group.vote(torch.where(loss.isfinite(), wish, BROKEN))

    def _tame(self) -> None:
        """Raise EngineError for a gradient that is not finite, and clip the gradients."""
        settings = self.setup.settings
        if not self.precision.scales:
            self.guard.check()
        if settings.clip_value is not None:
            nn.utils.clip_grad_value_(self._trained, settings.clip_value)
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._trained, settings.clip_norm)
