"""fit: one call that trains a model, on one process or on as many as torchrun started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from dlengine.errors import short_traceback
from dlengine.parallel import Group, read_place
from dlengine.parallel.place import pick_device
from dlengine.train import rng, snapshot
from dlengine.train.best import EarlyStop
from dlengine.train.callback import Callback
from dlengine.train.light import without_compiler
from dlengine.train.losses import Loss
from dlengine.train.optimizer import OptimizerLike
from dlengine.train.report import Reporter, count, first_line
from dlengine.train.run import Run
from dlengine.train.schedule import Schedule
from dlengine.train.settings import Settings
from dlengine.train.setup import Setup, assemble
from dlengine.train.stop import StopSignal
from dlengine.train.tuned import tuned, within

if TYPE_CHECKING:
    from dlengine.symbol import Symbol


@dataclass(frozen=True)
class Result:
    """What came out of a run; the same on every rank.

    `history` has a row per epoch: epoch, step, loss, accuracy and other metrics, lr, the same with test_ before it,
    samples_per_second, seconds. `test_loss` and `test_accuracy` are those of the weights that the model has now, None
    without test data (accuracy: without classes). `best` is the best row, where `monitor` or `early_stop` asked for it.
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
    best: dict[str, Any] | None = None


@short_traceback
def fit(
    model: nn.Module | Symbol,
    train: Any,
    test: Any = None,
    *,
    epochs: int | str = 5,
    batch_size: int = 32,
    micro_batch: int | None = None,
    optimizer: OptimizerLike = "sgd",
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float = 0.0,
    decay: str = "all",
    schedule: str | Schedule = "constant",
    warmup: float | str | None = None,
    loss: str | Loss | None = None,
    metrics: Any = None,
    precision: str = "float32",
    clip_norm: float | None = None,
    clip_value: float | None = None,
    monitor: str | None = None,
    early_stop: int | EarlyStop | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | str = "1ep",
    keep: int = 3,
    resume: str = "auto",
    device: str | torch.device = "auto",
    tune: str = "auto",
    memory: int | str | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Result:
    """Train `model` in place on `train`, and report how it does on `test`.

    model: any torch module, or a symbol, which is bound to the data's shape with `seed` (`Result.model` is the module).
    train: a `Dataset`, a pair of arrays (x, y), a torch Dataset or DataLoader, an iterable of batches (x, y), a
    function that makes one, or an object with `len` and `batch`. test: the same, or a part of `train` to hold out: 0.2.
    epochs: 5, "5ep" or "500ba" (steps).
    batch_size: samples per rank and step, so that a step of n ranks sees n times as many.
    micro_batch: how many of them go through the model at once; all, unless given or the memory is too small.
    optimizer: a name (sgd, nesterov, adam, adamw, lars, lamb, muon, or another one of torch), a class, a function of
    the parameters, or a torch optimizer. lr: the peak learning rate; the optimizer's usual one unless given.
    decay: "all", or "weights" to spare biases and norms the weight decay.
    schedule, warmup: a name or a function, see `dlengine.train.schedule`; a part of the run, or "500ba", "1ep".
    loss: a name or a function (output, target) -> mean over the batch; unless given, the model's `default_loss` (a
    symbol's output layer supplies it), or cross entropy. metrics: names, functions, see `dlengine.train.metrics`.
    precision: "float32", "bf16", "fp16" or "auto". clip_norm, clip_value: of the gradients.
    monitor: the column of the history whose best checkpoint is kept. early_stop: how many epochs without a better one.
    seed: of the order of the data, and of the random numbers of Python, NumPy and torch (which are seeded here).
    checkpoint: a directory; the newest `keep` are kept, one every `checkpoint_every` and one at the end.
    resume: "auto" goes on from the newest checkpoint if there is one, "must" insists on one, "never" on none.
    device: "auto" (this rank's GPU, else the CPU), "cpu", "cuda", "cuda:1". progress: print a line per epoch.
    tune: "auto" makes the steps faster without changing what they compute, see `dlengine.tune`; "off" is plain torch.
    memory: of the tensors of a step, "8GiB"; more than that is avoided by micro-batches and by computing again.

    With n ranks a step is the step of one rank with n times the batch: the gradient is the mean over the global batch,
    also when the last one is uneven. The model is left in evaluation mode, with the same weights on every rank.
    Raises EngineError for what the caller can put right, Interrupted (exit status 143) after SIGTERM, and
    KeyboardInterrupt after Ctrl-C; of these two both save first.
    """
    given = dict(locals())
    settings = Settings(**{name: given[name] for name in given.keys() - {"model", "train", "test", "callbacks"}})
    place = read_place()
    own_device = pick_device(device, place)
    with without_compiler():
        setup = assemble(model, train, test, settings, callbacks, place, own_device)
        with Group.join(place, own_device) as group, StopSignal() as signal:
            for callback in setup.callbacks:
                callback.on_setup(setup)
            return _train(setup, group, signal)


def _train(setup: Setup, group: Group, signal: StopSignal) -> Result:
    rng.seed(setup.settings.seed, group.rank)
    report = Reporter(enabled=setup.settings.progress and group.rank == 0)
    run = Run(setup, group=group, signal=signal, report=report)
    report.say(first_line(run))
    path = snapshot.resume(run)
    if path:
        report.say(f"resumed from {path} ({count(run.position.epoch, 'epoch')}, step {run.position.step})")
    if not run.model.training:  # in training mode already, a part may be frozen in evaluation mode
        run.model.train()
    with tuned(run), within(run):
        run.train()
    run.model.eval()
    return _result(run, path)


def _result(run: Run, resumed_from: str | None) -> Result:
    seconds = sum(row["seconds"] for row in run.history)
    samples = sum(row["seconds"] * row["samples_per_second"] for row in run.history)
    now = run.best if run.restored and run.best else run.history[-1]
    return Result(
        history=run.history,
        model=run.model,
        test_accuracy=now["test_accuracy"],
        test_loss=now["test_loss"],
        epochs=run.position.epoch,
        steps=run.position.step,
        samples_per_second=samples / seconds if seconds else 0.0,
        ranks=run.group.world,
        rank=run.group.rank,
        resumed_from=resumed_from,
        best=run.best,
    )
