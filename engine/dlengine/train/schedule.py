"""Learning-rate schedules: pure functions of the part of the run that is done.

So a schedule has no state to save, and a resumed run, or one with another number of ranks, goes on along the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dlengine.errors import EngineError, unknown

Schedule = Callable[[float], float]

START = 1 / 25
ONE_CYCLE_WARMUP = 0.3


@dataclass(frozen=True)
class Curve:
    """A schedule that can follow a warm-up: `name` as a checkpoint compares it, `after(done, warmup)` the factor."""

    name: str
    after: Callable[[float, float], float]
    warmup: float = 0.0
    smooth: bool = False

    def __call__(self, done: float) -> float:
        """The factor on the learning rate when `done` (0..1) of the run is done."""
        if done < self.warmup:
            rise = done / self.warmup
            return START + (1 - START) * (_half_cosine(rise) if self.smooth else rise)
        return self.after(min(done, 1.0), self.warmup)


def constant() -> Curve:
    """The peak rate all the time."""
    return Curve("constant", lambda done, warmup: 1.0)


def cosine(end: float = 0.0) -> Curve:
    """From 1 to `end` along half a cosine (Loshchilov and Hutter 2017, without restarts)."""
    return Curve(
        f"cosine(end={end:g})" if end else "cosine",
        lambda done, warmup: 1 - (1 - end) * _half_cosine(_rest(done, warmup)),
    )


def one_cycle() -> Curve:
    """Up from 1/25 in three tenths of the run and down to 0, both along cosines (Smith 2018)."""
    return Curve("one-cycle", lambda done, warmup: 1 - _half_cosine(_rest(done, warmup)), ONE_CYCLE_WARMUP, smooth=True)


def step(at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Curve:
    """Multiplied by `factor` when each of the parts `at` of the whole run is done (He 2016: a half, three quarters)."""
    if not all(0 < part < 1 for part in at):
        raise EngineError(f"step schedule at {tuple(at)}", "give parts of the run between 0 and 1, such as (0.5, 0.75)")
    name = "step" if (tuple(at), factor) == ((0.5, 0.75), 0.1) else f"step(at={tuple(at)}, factor={factor:g})"
    return Curve(name, lambda done, warmup: factor ** sum(done >= part for part in at))


def polynomial(power: float = 1.0, end: float = 0.0) -> Curve:
    """From 1 to `end` as (1 - done) ** power; power 1 is a straight line."""
    name = "polynomial" if (power, end) == (1.0, 0.0) else f"polynomial(power={power:g}, end={end:g})"
    return Curve(name, lambda done, warmup: end + (1 - end) * (1 - _rest(done, warmup)) ** power)


def wsd(decay: float = 0.2) -> Curve:
    """Warm-up, stable, decay (Hu 2024, MiniCPM): 1, then in the last `decay` of the run down to 0.

    The way down is 1 - sqrt, as Hägele 2024 found best. Without `warmup` a twentieth of the run is warm-up.
    """
    if not 0 < decay <= 1:
        raise EngineError(f"decay={decay!r} of the wsd schedule", "give the part of the run that decays, such as 0.2")
    name = "wsd" if decay == 0.2 else f"wsd(decay={decay:g})"
    return Curve(name, lambda done, warmup: 1 - math.sqrt(max(0.0, (done - (1 - decay)) / decay)), warmup=0.05)


NAMED: dict[str, Callable[[], Curve]] = {
    "constant": constant,
    "cosine": cosine,
    "one-cycle": one_cycle,
    "step": step,
    "polynomial": polynomial,
    "wsd": wsd,
}


def build(schedule: str | Schedule, warmup: float | None) -> Schedule:
    """The factor on the learning rate as a function of the part done (0..1).

    schedule: a name, a `Curve` of this module, or a function, which is taken as it is.
    warmup: the part of the run in which the factor rises from 1/25 to 1; the curve's own unless given, which is 0.3 for
    "one-cycle", 0.05 for "wsd" and 0 for the others. Raises EngineError for an unknown name.
    """
    if isinstance(schedule, str):
        if schedule not in NAMED:
            raise unknown("schedule", schedule, NAMED)
        schedule = NAMED[schedule]()
    if isinstance(schedule, Curve):
        return schedule if warmup is None else Curve(schedule.name, schedule.after, warmup, schedule.smooth)
    if not callable(schedule):
        raise unknown("schedule", schedule, NAMED)
    if warmup:
        raise EngineError("warmup is given beside a schedule of your own", "let the function do the warm-up")
    _check(schedule)
    return schedule


def _check(schedule: Schedule) -> None:
    """Raise EngineError for a function that gives no factor."""
    for done in (0.0, 0.5):
        try:
            factor = schedule(done)
            right = math.isfinite(factor)
        except TypeError as error:
            raise EngineError(
                f"the schedule cannot be called: {error}", "give a function: part done -> factor"
            ) from None
        if not right:
            raise EngineError(
                f"the schedule gives {factor} when {done:.0%} of the run is done", "return a finite factor"
            )


def describe(schedule: str | Schedule) -> str:
    """A schedule's name, as a checkpoint compares it."""
    if isinstance(schedule, str):
        return schedule
    return schedule.name if isinstance(schedule, Curve) else getattr(schedule, "__qualname__", type(schedule).__name__)


def _rest(done: float, warmup: float) -> float:
    """The part done of what follows the warm-up."""
    return (done - warmup) / (1 - warmup) if warmup < 1 else 1.0


def _half_cosine(x: float) -> float:
    """0 to 1, flat at both ends."""
    return (1 - math.cos(math.pi * min(x, 1.0))) / 2
