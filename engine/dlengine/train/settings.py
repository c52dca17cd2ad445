"""The arguments of fit, checked before anything else happens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlengine.errors import EngineError, unknown, whole
from dlengine.train import duration, schedule
from dlengine.train.duration import Duration
from dlengine.tune.bytes import parse

RESUME = ("auto", "never", "must")
PRECISIONS = ("float32", "bf16", "fp16", "auto")
DECAY = ("all", "weights")
TUNE = ("auto", "off")


@dataclass
class Settings:
    """The arguments of `fit`, as they were given, and what follows from them.

    Raises EngineError for what no run can have.
    `length`, `every` and `directory` are `epochs`, `checkpoint_every` and `checkpoint`, parsed.
    """

    epochs: int | str = 5
    batch_size: int = 32
    micro_batch: int | None = None
    optimizer: Any = "sgd"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float = 0.0
    decay: str = "all"
    schedule: str | schedule.Schedule = "constant"
    warmup: float | str | None = None
    loss: Any = None
    metrics: Any = None
    precision: str = "float32"
    clip_norm: float | None = None
    clip_value: float | None = None
    monitor: str | None = None
    early_stop: Any = None
    seed: int = 0
    checkpoint: str | Path | None = None
    checkpoint_every: int | str = "1ep"
    keep: int = 3
    resume: str = "auto"
    device: str | torch.device = "auto"
    tune: str = "auto"
    memory: int | str | None = None
    progress: bool = True

    budget: int | None = field(init=False)
    length: Duration = field(init=False)
    every: Duration = field(init=False)
    directory: Path | None = field(init=False)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.generic):
                setattr(self, name, value.item())
        self._check_numbers()
        _one_of("resume", self.resume, RESUME)
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("decay", self.decay, DECAY)
        _one_of("tune", self.tune, TUNE)
        self.budget = None if self.memory is None else parse(self.memory)
        if self.resume == "must" and self.checkpoint is None:
            raise EngineError('resume="must" without a checkpoint directory', "give checkpoint=DIRECTORY")
        if self.checkpoint is not None and (not isinstance(self.checkpoint, str | Path) or not str(self.checkpoint)):
            raise EngineError(f"checkpoint={self.checkpoint!r}", "give the path of a directory")
        self.length = duration.parse(self.epochs, "epochs")
        self.every = duration.parse(self.checkpoint_every, "checkpoint_every")
        self.directory = None if self.checkpoint is None else Path(self.checkpoint)

    def _check_numbers(self) -> None:
        whole("batch_size", self.batch_size, least=1)
        whole("seed", self.seed, least=0)
        whole("keep", self.keep, least=1)
        if self.micro_batch is not None:
            whole("micro_batch", self.micro_batch, least=1)
        for name, least, above, below in (
            ("lr", None, 0.0, None),
            ("weight_decay", 0.0, None, None),
            ("momentum", 0.0, None, 1.0),
            ("clip_norm", None, 0.0, None),
            ("clip_value", None, 0.0, None),
        ):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), least=least, above=above, below=below)
        if isinstance(self.warmup, str):
            duration.parse(self.warmup, "warmup")
        elif self.warmup is not None:
            number("warmup", self.warmup, least=0.0, below=1.0)


def _one_of(name: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise unknown(name, value, known)


def number(
    name: str, value: object, *, least: float | None = None, above: float | None = None, below: float | None = None
) -> None:
    """Raise EngineError unless `value` is a finite number within the bounds."""
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if right and isinstance(value, int | float):
        right = not (
            (least is not None and value < least)
            or (above is not None and value <= above)
            or (below is not None and value >= below)
        )
    if not right:
        bounds = [f"at least {least}"] if least is not None else []
        bounds += [f"above {above}"] if above is not None else []
        bounds += [f"below {below}"] if below is not None else []
        raise EngineError(f"{name}={value!r}", f"{name} is a number {' and '.join(bounds)}")
