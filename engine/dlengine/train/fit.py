"""fit: one call that trains a model, on one process or on as many as torchrun started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, short_traceback
from dlengine.parallel import Group, read_place
from dlengine.parallel.place import pick_device
from dlengine.symbol import Symbol
from dlengine.symbol.training import prepare
from dlengine.train import optimizer as optimizers
from dlengine.train import options, rng, snapshot
from dlengine.train.callback import Callback
from dlengine.train.meter import Loss
from dlengine.train.optimizer import OptimizerLike
from dlengine.train.probe import as_data, probe
from dlengine.train.report import Reporter, count
from dlengine.train.run import Run
from dlengine.train.schedule import Schedule
from dlengine.train.stop import StopSignal


@dataclass(frozen=True)
class Result:
    """What came out of a run; the same on every rank.

    `history` has a row per epoch: epoch, step, loss, accuracy, test_loss, test_accuracy, samples_per_second, seconds.
    `test_loss` and `test_accuracy` are those of the last row, None without test data (accuracy: without classes).
    `samples_per_second` counts the training steps of all ranks, without evaluation and checkpoints.
    """

    history: list[dict[str, Any]]
    model: nn.Module
    test_accuracy: float | None
    test_loss: float | None
    epochs: int
    steps: int
    samples_per_second: float
    ranks: int
    rank: int
    resumed_from: str | None


@short_traceback
def fit(
    model: nn.Module | Symbol,
    train: Any,
    test: Any = None,
    *,
    epochs: int | str = 5,
    batch_size: int = 32,
    optimizer: OptimizerLike = "sgd",
    lr: float | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    schedule: str | Schedule = "constant",
    warmup: float | None = None,
    loss: Loss | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | str = "1ep",
    keep: int = 3,
    resume: str = "auto",
    device: str | torch.device = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Result:
    """Train `model` in place on `train`, and report how it does on `test`.

    model: any torch module, or a symbol, which is bound to the data's shape with `seed` (`Result.model` is the module).
    train, test: a `Dataset`, a pair of arrays (x, y), or an object with `len` and `batch`.
    epochs: 5, "5ep" or "500ba" (steps).
    batch_size: samples per rank and step, so that a step of n ranks sees n times as many.
    optimizer: "sgd" (with `momentum`), "adam", "adamw", a function of the parameters, or a torch optimizer.
    lr: the peak learning rate; 0.01 for sgd and 0.001 for adam, adamw unless given.
    schedule, warmup: "constant", "cosine", "one-cycle" or a function, see `dlengine.train.schedule`.
    loss: a function (output, target) -> mean over the batch; without it the model's `default_loss` (a symbol's output
    layer supplies it), else cross entropy.
    seed: of the order of the data, and of the random numbers of Python, NumPy and torch (which are seeded here).
    checkpoint: a directory; the newest `keep` are kept, one every `checkpoint_every` and one at the end.
    resume: "auto" goes on from the newest checkpoint if there is one, "must" insists on one, "never" on none.
    device: "auto" (this rank's GPU, else the CPU), "cpu", "cuda", "cuda:1". progress: print a line per epoch.

    With n ranks a step is the step of one rank with n times the batch: the gradient is the mean over the global batch,
    also when the last one is uneven. The model is left in evaluation mode, with the same weights on every rank.
    Raises EngineError for what the caller can put right, and Interrupted (exit status 143) after SIGTERM.
    """
    chosen = options.check(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        seed=seed,
        schedule_=schedule,
        warmup=warmup,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        keep=keep,
        resume=resume,
    )
    train_data = as_data(train, "the training data")
    test_data = None if test is None else as_data(test, "the test data")
    place = read_place()
    if place.world > len(train_data):
        raise EngineError(f"{place.world} ranks for {len(train_data)} samples", "start fewer processes")
    model = prepare(model, train_data, seed)
    loss = loss or getattr(model, "default_loss", None)
    measure = loss or nn.functional.cross_entropy
    own_device = pick_device(device, place)
    model.to(own_device)
    made = optimizers.build(optimizer, model, lr=lr, momentum=momentum, weight_decay=weight_decay)
    seen = probe(
        model, train_data, measure, own_device, cross_entropy=loss is None or isinstance(loss, nn.CrossEntropyLoss)
    )
    with Group.join(place, own_device) as group, StopSignal() as signal:
        rng.seed(seed, group.rank)
        report = Reporter(enabled=progress and group.rank == 0)
        run = Run(
            model,
            made,
            train_data,
            test_data,
            loss=measure,
            classes=seen.classes,
            some_unused=bool(seen.unused),
            options=chosen,
            group=group,
            signal=signal,
            report=report,
            callbacks=callbacks,
        )
        report.say(_first_line(run))
        path = snapshot.resume(run)
        if path:
            report.say(f"resumed from {path} ({count(run.position.epoch, 'epoch')}, step {run.position.step})")
        if not model.training:  # in training mode already, a part may be frozen in evaluation mode
            model.train()
        run.train()
        model.eval()
        return _result(run, path)


def _first_line(run: Run) -> str:
    group, size = run.group, run.options.batch
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    batch = f"{group.world} x {size}" if group.world > 1 else str(size)
    steps = run.options.length.steps(run.order.steps)
    tests = "" if run.test_data is None else f", {len(run.test_data):,} test"
    return (
        f"{count(group.world, 'rank')} on {group.device.type}, batch {batch}, {parameters:,} parameters, "
        f"{len(run.train_data):,} training{tests} samples, {count(steps, 'step')} ({run.options.length})"
    )


def _result(run: Run, resumed_from: str | None) -> Result:
    last = run.history[-1]
    seconds = sum(row["seconds"] for row in run.history)
    samples = sum(row["seconds"] * row["samples_per_second"] for row in run.history)
    return Result(
        history=run.history,
        model=run.model,
        test_accuracy=last["test_accuracy"],
        test_loss=last["test_loss"],
        epochs=run.position.epoch,
        steps=run.position.step,
        samples_per_second=samples / seconds if seconds else 0.0,
        ranks=run.group.world,
        rank=run.group.rank,
        resumed_from=resumed_from,
    )
