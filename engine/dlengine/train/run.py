"""The training loop of one rank."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import torch
from torch import nn

from dlengine.data import Batches, BatchOrder, Share
from dlengine.errors import EngineError
from dlengine.parallel import Group
from dlengine.train import snapshot
from dlengine.train.callback import Callback
from dlengine.train.duration import Position
from dlengine.train.meter import Loss, Meter, evaluate
from dlengine.train.options import Options
from dlengine.train.report import Reporter
from dlengine.train.stop import Interrupted, StopSignal

# What ranks vote on in every step; the largest wins.
GO, STOP, LEAVE, BROKEN = range(4)


class Run:
    """A model, its optimizer and its data on their way through the epochs. `fit` makes it; callbacks see it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        train: Batches,
        test: Batches | None,
        *,
        loss: Loss,
        classes: bool,
        some_unused: bool,
        options: Options,
        group: Group,
        signal: StopSignal,
        report: Reporter,
        callbacks: Sequence[Callback],
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.train_data = train
        self.test_data = test
        self.loss = loss
        self.classes = classes
        self.options = options
        self.group = group
        self.report = report
        self.callbacks = callbacks
        self.order = BatchOrder(len(train), options.batch, options.seed, group.world, group.rank)
        self.position = Position()
        self.history: list[dict[str, Any]] = []
        self.meter = Meter(group.device, classes=classes)
        self.settings = snapshot.settings(self)
        snapshot.agree(self.settings, group)
        self._signal = signal
        self._wrapped = group.wrap(model, some_unused=some_unused)
        self._rates = [float(part["lr"]) for part in optimizer.param_groups]
        self._stop_asked = False
        self._stopped = False
        self._saved: tuple[int, ...] | None = None
        self._began = time.perf_counter()
        self._part_before = 0.0

    def stop(self) -> None:
        """End the run after the current step, on all ranks."""
        self._stop_asked = True

    @property
    def part_done(self) -> float:
        """0 at the start, 1 at the end."""
        return self.position.part_of(self.options.length, len(self.train_data))

    @property
    def _in_history(self) -> bool:
        """Whether the last step is in the history; not so when a notice came in the last step of an epoch."""
        return bool(self.history) and self.history[-1]["step"] == self.position.step

    def train(self) -> None:
        """Go on from the current position to the end. Raises Interrupted after SIGTERM, EngineError for a bad loss."""
        self._began, self._part_before = time.perf_counter(), self.part_done
        self._call("on_start")
        while not self._stopped and (self.part_done < 1 or not self._in_history):
            self._epoch()
        self._save()
        for part, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            part["lr"] = rate
        self._call("on_end")

    def _epoch(self) -> None:
        """The rest of the current epoch, or less when the run ends inside it."""
        every = self.options.every
        for share in self.order.shares(self.position.epoch, self.position.offset):
            if self.part_done >= 1:
                break
            began = time.perf_counter()
            vote = self._step(share)
            self.meter.seconds += time.perf_counter() - began
            self._call("on_step")
            if vote == LEAVE:
                self._leave()
            if vote == STOP:
                self._stopped = True
                break
            if every.unit == "ba" and self.position.step % every.count == 0:
                self._save()
        self._close_epoch()

    def _step(self, share: Share) -> int:
        """One step of all ranks on one global batch; the outcome of their vote."""
        factor = self.options.factor(self.part_done)
        for part, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            part["lr"] = rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        some_idle = share.total < self.group.world
        loss = self._forward(share, self.model if some_idle else self._wrapped)
        vote = self.group.vote(torch.where(loss.detach().isfinite(), self._wish(), BROKEN))
        if len(share.indices):
            # The ranks' gradients are averaged with equal weights; this makes it the mean over the global batch.
            (loss * (len(share.indices) * self.group.world / share.total)).backward()
        if some_idle:
            self.group.average_gradients(self.model)
        outcome = vote.result()
        if outcome == BROKEN:
            raise self._broken(loss, share)
        self.optimizer.step()
        self.position.step += 1
        self.position.offset = share.end
        return outcome

    def _forward(self, share: Share, model: nn.Module) -> torch.Tensor:
        """The mean loss over this rank's share; zero when it is empty."""
        if not len(share.indices):
            return torch.zeros((), device=self.group.device)
        x, y = self._batch(share)
        output = model(x)
        loss = self.loss(output, y)
        self.meter.add(loss, output, y)
        return loss

    def _batch(self, share: Share) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = self.train_data.batch(share.indices)
        device = self.group.device
        return x.to(device, non_blocking=True), y.to(device, non_blocking=True)

    def _close_epoch(self) -> None:
        """Add the epoch to the history, show it, and save when it is time."""
        epoch = self.position.epoch + 1
        whole = self.position.offset == len(self.train_data)
        if whole:
            self.position.epoch, self.position.offset = epoch, 0
        self.history.append(self._row(epoch))
        self.meter = Meter(self.group.device, classes=self.classes)
        epochs = -(-self.options.length.steps(self.order.steps) // self.order.steps)
        self.report.epoch(self.history[-1], epochs, self._seconds_left())
        self._call("on_epoch")
        vote = self.group.vote(torch.tensor(self._wish(), device=self.group.device)).result()
        self._stopped = self._stopped or vote == STOP
        every = self.options.every
        if vote == LEAVE:
            self._leave()
        if whole and every.unit == "ep" and epoch % every.count == 0:
            self._save()

    def _row(self, epoch: int) -> dict[str, Any]:
        score = self.meter.score(self.group)
        row: dict[str, Any] = {
            "epoch": epoch,
            "step": self.position.step,
            "loss": score.loss,
            "accuracy": score.accuracy,
            "test_loss": None,
            "test_accuracy": None,
            "samples_per_second": score.samples / self.meter.seconds if self.meter.seconds else 0.0,
            "seconds": self.meter.seconds,
        }
        self.group.share_buffers(self.model)
        if self.test_data is not None:
            test = evaluate(
                self.model, self.test_data, self.loss, self.group, batch=self.options.batch, classes=self.classes
            )
            row |= {"test_loss": test.loss, "test_accuracy": test.accuracy}
        return row

    def _wish(self) -> int:
        if self._signal.received:
            return LEAVE
        return STOP if self._stop_asked else GO

    def _leave(self) -> None:
        """Save and end the process, after SIGTERM reached some rank."""
        path = self._save()
        kept = f"saved {path}" if path else "nothing is saved, because there is no checkpoint directory"
        if self.group.rank == 0:
            self.report.warn(f"told to stop (SIGTERM): left after step {self.position.step}; {kept}")
        self.group.wait()  # a rank that left earlier would make torchrun kill the one that is writing
        raise Interrupted

    def _save(self) -> str:
        """Write a checkpoint of this position, unless it is there already; its path on rank 0."""
        where = astuple(self.position)
        if self.options.directory is None or self._saved == where:
            return str(self.options.directory or "")
        self._saved = where
        return snapshot.save(self)

    def _call(self, hook: str) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self)

    def _seconds_left(self) -> float:
        done = self.part_done - self._part_before
        return (time.perf_counter() - self._began) / done * (1 - self.part_done) if done > 0 else 0.0

    def _broken(self, loss: torch.Tensor, share: Share) -> EngineError:
        """The error for a loss that is no finite number."""
        value = float(loss.detach())
        bad = value != value or value in (float("inf"), float("-inf"))
        what = f"the loss became {value}" if bad else "the loss of another rank is not finite"
        what += f" in step {self.position.step + 1} (epoch {self.position.epoch + 1})"
        if bad:
            x, _ = self._batch(share)
            wrong = ~x.isfinite().flatten(1).all(dim=1)
            if wrong.any():
                return EngineError(
                    f"{what}: the input of sample {share.indices[int(wrong.nonzero()[0])]} is not finite",
                    "clean the data; it holds NaN or infinity",
                )
        return EngineError(what, "try a smaller lr or a longer warmup; the weights are still those of the step before")
