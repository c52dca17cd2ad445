"""How long, and how far: "10ep" are ten passes over the data, "500ba" are five hundred steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dlengine.errors import EngineError


@dataclass(frozen=True)
class Duration:
    """A number of epochs (unit "ep") or of steps, one global batch each (unit "ba")."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    def steps(self, steps_per_epoch: int) -> int:
        """The same in steps."""
        return self.count * steps_per_epoch if self.unit == "ep" else self.count


@dataclass
class Position:
    """How far a run has come: whole epochs, samples of the epoch's order since then, and steps in all."""

    epoch: int = 0
    offset: int = 0
    step: int = 0

    def part_of(self, duration: Duration, samples: int | None, steps: int | None) -> float:
        """The part of `duration` that is done, 0 at the start and 1 at the end.

        `samples` and `steps` make an epoch; where both are unknown, so is the part of an epoch, which counts as 0.
        """
        if duration.unit == "ba":
            return self.step / duration.count
        if samples is not None:
            done = self.epoch + self.offset / samples
        elif steps is not None and self.offset:
            done = min(self.step / steps, self.epoch + 1 - 0.5 / steps)
        else:
            done = self.epoch
        return done / duration.count


def parse(value: int | str, name: str) -> Duration:
    """A Duration from "10ep", "500ba" or a bare number of epochs; `name` is the argument's, for the error."""
    match = re.fullmatch(r"\s*(\d+)\s*(ep|ba)?\s*", str(value))
    if match is None or isinstance(value, bool) or int(match[1]) == 0:
        raise EngineError(f"{name}={value!r} is not a duration", 'use "10ep" (epochs), "500ba" (batches), or 10')
    return Duration(int(match[1]), match[2] or "ep")
