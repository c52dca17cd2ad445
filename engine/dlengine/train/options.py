"""The arguments of fit, checked before anything else happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from dlengine.errors import EngineError, unknown
from dlengine.train import duration, schedule
from dlengine.train.duration import Duration

RESUME = ("auto", "never", "must")


@dataclass(frozen=True)
class Options:
    """How long, in which batches, along which schedule, and what is saved when."""

    length: Duration
    batch: int
    seed: int
    factor: schedule.Schedule
    schedule: str
    warmup: float | None
    directory: Path | None
    every: Duration
    keep: int
    resume: str


def check(
    *,
    epochs: int | str,
    batch_size: int,
    lr: float | None,
    momentum: float,
    weight_decay: float,
    seed: int,
    schedule_: str | schedule.Schedule,
    warmup: float | None,
    checkpoint: str | Path | None,
    checkpoint_every: int | str,
    keep: int,
    resume: str,
) -> Options:
    """The options of a run. Raises EngineError for what no run can have."""
    _whole("batch_size", batch_size, least=1)
    _whole("seed", seed, least=0)
    _whole("keep", keep, least=1)
    if lr is not None:
        _number("lr", lr, above=0.0)
    _number("weight_decay", weight_decay, least=0.0)
    _number("momentum", momentum, least=0.0, below=1.0)
    if warmup is not None:
        _number("warmup", warmup, least=0.0, below=1.0)
    if resume not in RESUME:
        raise unknown("resume", resume, RESUME)
    if resume == "must" and checkpoint is None:
        raise EngineError('resume="must" without a checkpoint directory', "give checkpoint=DIRECTORY")
    return Options(
        length=duration.parse(epochs, "epochs"),
        batch=batch_size,
        seed=seed,
        factor=schedule.build(schedule_, warmup),
        schedule=schedule_ if isinstance(schedule_, str) else getattr(schedule_, "__qualname__", "function"),
        warmup=warmup,
        directory=None if checkpoint is None else Path(checkpoint),
        every=duration.parse(checkpoint_every, "checkpoint_every"),
        keep=keep,
        resume=resume,
    )


def _whole(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise EngineError(f"{name}={value!r}", f"{name} is a whole number, at least {least}")


def _number(
    name: str, value: object, *, least: float | None = None, above: float | None = None, below: float | None = None
) -> None:
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
