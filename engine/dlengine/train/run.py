"""The training loop of one rank."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

from dlengine.errors import EngineError
from dlengine.parallel import Group
from dlengine.train import snapshot, tensors
from dlengine.train.best import judge
from dlengine.train.callback import Callback
from dlengine.train.duration import Position
from dlengine.train.evaluate import evaluate
from dlengine.train.feed import Piece
from dlengine.train.keeper import Keeper
from dlengine.train.meter import Meter
from dlengine.train.report import Reporter
from dlengine.train.setup import Setup
from dlengine.train.step import BROKEN, GO, LEAVE, STOP, Stepper
from dlengine.train.stop import StopSignal
from dlengine.tune.plan import Plan


class Run:
    """A model, its optimizer and its data on their way through the epochs. `fit` makes it; callbacks see it.

    `stepper` makes the steps: its `forward` and `micro` may be changed between two of them.
    """

    def __init__(self, setup: Setup, *, group: Group, signal: StopSignal, report: Reporter) -> None:
        self.setup = setup
        self.model = setup.model
        self.optimizer = setup.optimizer
        self.feed = setup.feed
        self.settings = setup.settings
        self.group = group
        self.report = report
        self.position = Position()
        self.history: list[dict[str, Any]] = []
        self.meter = self._new_meter()
        self.identity = snapshot.identity(setup)
        snapshot.agree(self.identity, group)
        self.stepper = Stepper(setup, group, report.warn)
        self.judge = judge(
            setup.settings.monitor, setup.settings.early_stop, setup.metrics, tested=setup.test is not None
        )
        self.restored = False
        self._keeper = Keeper(self)
        self.plan: Plan | None = None
        self._signal = signal
        self._hooks = {name: self._overridden(name) for name in ("on_start", "on_step", "on_epoch", "on_end")}
        self._stop_asked = False
        self._stopped = False
        self._outcome = GO
        self._saved: tuple[int, ...] | None = None
        self._began = time.perf_counter()
        self._part_before = 0.0

    def stop(self) -> None:
        """End the run after the current step, on all ranks."""
        self._stop_asked = True

    @property
    def part_done(self) -> float:
        """0 at the start, 1 at the end; in a stream of unknown length, known between epochs only."""
        return self.position.part_of(self.settings.length, self.feed.samples, self.feed.steps)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best row of the history, where `monitor` or `early_stop` says what that is."""
        place = None if self.judge is None else self.judge.best(self.history)
        return None if place is None else self.history[place]

    @property
    def seconds_left(self) -> float | None:
        """A guess from the pace since the start of this process; None where the length is unknown."""
        done = self.part_done - self._part_before
        return (time.perf_counter() - self._began) / done * (1 - self.part_done) if done > 0 else None

    @property
    def _in_history(self) -> bool:
        """Whether the last step is in the history; not so when a notice came in the last step of an epoch."""
        return bool(self.history) and self.history[-1]["step"] == self.position.step

    def train(self) -> None:
        """Go on from the current position to the end.

        Raises Interrupted after SIGTERM, KeyboardInterrupt after Ctrl-C, EngineError for a bad loss.
        """
        for piece in self.pieces():
            self.took(piece, *self.stepper.step(piece, self.wish(), self.meter))
            del piece  # gone before the next one is made: two would take memory, and time to get it from the system

    def pieces(self) -> Iterator[Piece]:
        """What is left of the run; whoever takes a piece makes its step, and says so with `took`, before the next."""
        self._began, self._part_before = time.perf_counter(), self.part_done
        self._call("on_start")
        self._stopped = self._stopped or (self.judge is not None and self.judge.enough(self.history))
        while not self._stopped and (self.part_done < 1 or not self._in_history):
            yield from self._epoch()
        self.save()
        self.stepper.set_rate(1.0)
        self._keeper.restore()
        self._call("on_end")

    def _epoch(self) -> Iterator[Piece]:
        """The rest of the current epoch, or less when the run ends inside it."""
        every, first = self.settings.every, self.position.step
        began = time.perf_counter()
        whole = True
        for piece in self.feed.pieces(self.position.epoch, self.position.offset):
            if self.part_done >= 1:
                whole = False
                break
            self.stepper.set_rate(self.setup.factor(self.part_done))
            yield piece
            del piece
            self.meter.seconds += time.perf_counter() - began
            self._call("on_step")
            self.report.tick(self)
            if self._outcome == LEAVE or (self._signal.received and self.group.world == 1):
                self._leave()
            if self._outcome == STOP or (self.part_done >= 1 and self.feed.samples is None):
                self._stopped = self._outcome == STOP
                whole = self.feed.steps is not None and self.position.step % self.feed.steps == 0
                break
            if every.unit == "ba" and self.position.step % every.count == 0:
                self.save()
            began = time.perf_counter()
        if whole and self.position.offset == 0:
            raise EngineError(f"epoch {self.position.epoch + 1} has no batch", "does the iterator start afresh?")
        self._close_epoch(whole or self.position.offset == self.feed.samples, grown=self.position.step > first)

    def took(self, piece: Piece, outcome: int, loss: float) -> None:
        """Move on behind a piece, whose step ended with this outcome of the ranks' vote."""
        if outcome == BROKEN:
            raise self._broken(loss, piece)
        self._outcome = outcome
        self.position.step += 1
        self.position.offset = piece.end

    def _close_epoch(self, whole: bool, *, grown: bool) -> None:
        """Add the epoch to the history, show it, and save when it is time."""
        epoch = self.position.epoch + 1
        if whole:
            self.position.epoch, self.position.offset = epoch, 0
        if grown or not self._in_history:
            self.history.append(self._row(epoch))
            self.meter = self._new_meter()
            self._keeper.look()
            self.report.epoch(self)
            self._call("on_epoch")
        outcome = self.group.agree(self.wish())
        self._stopped = self._stopped or outcome == STOP
        if self.judge is not None:
            self._stopped = self._stopped or self.judge.enough(self.history)
        every = self.settings.every
        if outcome == LEAVE:
            self._leave()
        if whole and every.unit == "ep" and epoch % every.count == 0:
            self.save()

    def _row(self, epoch: int) -> dict[str, Any]:
        found = self.meter.row(self.group)
        samples, seconds = found.pop("samples"), self.meter.seconds
        row: dict[str, Any] = {"epoch": epoch, "step": self.position.step, "loss": 0.0, "accuracy": None} | found
        row |= {"lr": self.optimizer.param_groups[0]["lr"], "test_loss": None, "test_accuracy": None}
        self.group.share_buffers(self.model)
        if self.setup.test is not None:
            test = evaluate(
                self.model,
                self.setup.test,
                self.setup.loss,
                self.setup.metrics,
                self.setup.sizes,
                self.group,
                batch=self.stepper.micro or self.settings.batch_size,
                precision=self.stepper.precision,
            )
            row |= {f"test_{name}": value for name, value in test.items()}
        return row | {"samples_per_second": samples / seconds if seconds else 0.0, "seconds": seconds}

    def _new_meter(self) -> Meter:
        return Meter(self.setup.metrics, self.setup.sizes, self.group.device)

    def wish(self) -> int:
        """What this rank votes for."""
        if self._signal.received:
            return LEAVE
        return STOP if self._stop_asked else GO

    def _leave(self) -> None:
        """Save and end the run, after SIGTERM or Ctrl-C reached some rank."""
        path = self.save()
        kept = f"saved {path}" if path else "nothing is saved, because there is no checkpoint directory"
        if self.group.rank == 0:
            told = "Ctrl-C" if self._signal.received == signal.SIGINT else "SIGTERM"
            self.report.warn(f"told to stop ({told}): left after step {self.position.step}; {kept}")
        self.group.wait()  # a rank that left earlier would make torchrun kill the one that is writing
        self._signal.leave(self.position.step)

    def save(self) -> str:
        """Write a checkpoint of this position, unless it is there already; its path on rank 0."""
        where = astuple(self.position)
        if self.settings.directory is None or self._saved == where:
            return str(self.settings.directory or "")
        self._saved = where
        return snapshot.save(self)

    def _overridden(self, hook: str) -> list[Any]:
        """The callbacks' methods, but for those that do nothing."""
        return [
            getattr(callback, hook)
            for callback in self.setup.callbacks
            if getattr(type(callback), hook, None) is not getattr(Callback, hook)
        ]

    def _call(self, hook: str) -> None:
        for method in self._hooks[hook]:
            method(self)

    def _broken(self, loss: float, piece: Piece) -> EngineError:
        """The error for a loss that is no finite number."""
        bad = not math.isfinite(loss)
        what = f"the loss became {loss}" if bad else "the loss of another rank is not finite"
        what += f" in step {self.position.step + 1} (epoch {self.position.epoch + 1})"
        if bad:
            x = tensors.first(piece.x)
            wrong = ~x.isfinite().flatten(1).all(dim=1) if x.dim() > 1 else ~x.isfinite()
            if wrong.any():
                place = int(wrong.nonzero()[0])
                sample = f"{place} of the batch" if piece.indices is None else str(piece.indices[place])
                return EngineError(
                    f"{what}: the input of sample {sample} is not finite", "clean the data; it holds NaN or infinity"
                )
        name = self.stepper.guard.broken_weights()
        if name is not None:
            return EngineError(
                f"{what}: '{name}' holds numbers that are not finite",
                "its gradient overflowed in the step before: try a smaller lr, or clip_norm=1.0",
            )
        return EngineError(what, "try a smaller lr or a longer warmup; the weights are still those of the step before")
