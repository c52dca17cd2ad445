"""The pieces of `fit` for a loop of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from types import TracebackType
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, no_argument
from dlengine.parallel import Group, read_place
from dlengine.parallel.place import pick_device
from dlengine.train import rng, snapshot, tensors
from dlengine.train.feed import Piece
from dlengine.train.light import without_compiler
from dlengine.train.report import Reporter
from dlengine.train.run import Run
from dlengine.train.settings import Settings
from dlengine.train.setup import assemble
from dlengine.train.stop import StopSignal

_OWN = ("micro_batch", "tune")  # what only fit can do: it calls the model itself


class Loop:
    """Batches, steps, metrics, checkpoints and ranks as in `fit`, around a forward pass and a loss of one's own.

        with Loop(model, train, test, epochs=3, optimizer="adamw", checkpoint="out") as loop:
            for x, y in loop:
                output = loop.forward(x)
                loop.step(loss(output, y), output)

    The arguments are those of `fit`, without micro_batch, tune and callbacks; `loss` serves to check the model and the
    data, and to evaluate. The loop ends with the run; a resumed one begins where it stopped. An epoch's end adds a row
    to `history`, with test metrics, and saves. On every rank `for` gives this rank's batches, on its device.
    """

    def __init__(self, model: Any, train: Any, test: Any = None, **settings: Any) -> None:
        known = [each.name for each in fields(Settings) if each.init and each.name not in _OWN]
        for name in settings:
            if name not in known:
                raise no_argument("Loop", name, known)
        self._settings = Settings(**settings)
        self._place = read_place()
        self._device = pick_device(self._settings.device, self._place)
        with without_compiler():
            self._setup = assemble(model, train, test, self._settings, (), self._place, self._device)
        self._stack = ExitStack()
        self._run: Run | None = None
        self._piece: Piece | None = None
        self.resumed_from: str | None = None

    def __enter__(self) -> Loop:
        self._stack.enter_context(without_compiler())
        group = self._stack.enter_context(Group.join(self._place, self._device))
        signal = self._stack.enter_context(StopSignal())
        rng.seed(self._settings.seed, group.rank)
        report = Reporter(enabled=self._settings.progress and group.rank == 0)
        self._run = Run(self._setup, group=group, signal=signal, report=report)
        self.resumed_from = snapshot.resume(self.run)
        if not self.model.training:
            self.model.train()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        self.model.eval()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for piece in self.run.pieces():
            self.run.stepper.begin()
            self._piece = piece
            if piece.size:
                yield tensors.to(piece.x, self._device), tensors.to(piece.y, self._device)
                if self._piece is not None:
                    raise EngineError("a batch was taken and no step was made", "call loop.step(loss) for every batch")
            else:  # the other ranks have the last samples
                self.step(torch.zeros((), device=self._device))

    @property
    def run(self) -> Run:
        """What `fit` runs: position, history, meter, stepper."""
        if self._run is None:
            raise EngineError("the loop was not entered", "use it as `with Loop(...) as loop:`")
        return self._run

    @property
    def model(self) -> nn.Module:
        """What is trained."""
        return self._setup.model

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row per epoch, as in `fit`."""
        return self.run.history

    def forward(self, x: Any) -> Any:
        """The model's output in float32, computed in the chosen precision; backwards it averages over the ranks."""
        alone = self._piece is not None and self._piece.idle
        with self.run.stepper.precision.cast():
            output = tensors.call(self._setup.forward if alone else self.run.stepper.forward, x)
        return tensors.each(lambda part: part.float() if part.is_floating_point() else part, output)

    def step(self, loss: torch.Tensor, output: Any = None) -> None:
        """Move the weights by the gradient of `loss`, the mean over the batch; `output` is for the metrics.

        Raises EngineError for a loss or a gradient that is not finite, before the weights change.
        """
        piece, self._piece = self._piece, None
        if piece is None:
            raise EngineError("step without a new batch", "call loop.step(loss) once for every batch")
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise EngineError("the loss is no single number", "give the mean over the batch")
        run = self.run
        value, vote = run.stepper.backward(loss, piece, run.wish())
        if piece.size:
            target = tensors.to(piece.y, self._device)
            with torch.no_grad():
                run.meter.add(value, piece.size, output, target, measured=output is not None)
        run.took(piece, *run.stepper.finish(piece, value, vote))

    def stop(self) -> None:
        """End the loop after the current step, on all ranks."""
        self.run.stop()

    def save(self) -> str:
        """Write a checkpoint now; all ranks call it. Its path, on rank 0."""
        return self.run.save()
