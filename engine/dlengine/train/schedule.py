"""Learning-rate schedules: pure functions of the part of the run that is done.

So a schedule has no state to save, and a resumed run, or one with another number of ranks, goes on along the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dlengine.errors import EngineError, unknown

Schedule = Callable[[float], float]

START = 1 / 25
ONE_CYCLE_WARMUP = 0.3
NAMES = ("constant", "cosine", "one-cycle")


def build(schedule: str | Schedule, warmup: float | None) -> Schedule:
    """The factor on the learning rate as a function of the part done (0..1).

    "constant": 1. "cosine": from 1 to 0 along half a cosine. "one-cycle" (Smith 2018): up from 1/25 and down to 0, both
    along cosines. `warmup` is the part of the run in which the factor rises from 1/25 to 1: 0 unless given, and 0.3 for
    "one-cycle". A function is taken as it is.
    """
    if callable(schedule):
        if warmup:
            raise EngineError("warmup is given beside a schedule of your own", "let the function do the warm-up")
        return schedule
    if schedule not in NAMES:
        raise unknown("schedule", schedule, NAMES)
    part = warmup if warmup is not None else (ONE_CYCLE_WARMUP if schedule == "one-cycle" else 0.0)

    def factor(done: float) -> float:
        if done < part:
            rise = done / part
            return START + (1 - START) * (_half_cosine(rise) if schedule == "one-cycle" else rise)
        if schedule == "constant":
            return 1.0
        return 1 - _half_cosine((done - part) / (1 - part))

    return factor


def _half_cosine(x: float) -> float:
    """0 to 1, flat at both ends."""
    return (1 - math.cos(math.pi * min(x, 1.0))) / 2
