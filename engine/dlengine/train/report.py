"""What a run prints: one line at the start, one an epoch, all from rank 0."""

from __future__ import annotations

import sys
from typing import Any


class Reporter:
    """Prints on rank 0 and nowhere else; every line leaves at once, so that it can be followed over a pipe."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def say(self, line: str) -> None:
        """Progress, on stdout."""
        if self.enabled:
            print(line, flush=True)

    def warn(self, line: str) -> None:
        """What deserves a look, on stderr; also without progress lines."""
        print(f"dlengine: {line}", file=sys.stderr, flush=True)

    def epoch(self, row: dict[str, Any], epochs: int, seconds_left: float) -> None:
        """The line of one row of the history."""
        width = len(str(epochs))
        parts = [f"epoch {row['epoch']:>{width}}/{epochs}", f"loss {row['loss']:.4f}"]
        if row["accuracy"] is not None:
            parts.append(f"train acc {row['accuracy']:.4f}")
        if row["test_accuracy"] is not None:
            parts.append(f"test acc {row['test_accuracy']:.4f}")
        elif row["test_loss"] is not None:
            parts.append(f"test loss {row['test_loss']:.4f}")
        parts += [f"{row['samples_per_second']:,.0f} samples/s", f"{clock(seconds_left)} left"]
        self.say("  ".join(parts))


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: int, singular: str) -> str:
    """A number with its noun: "1 epoch", "2 epochs"."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"
