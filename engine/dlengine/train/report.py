"""What a run prints: one line at the start, one an epoch, all from rank 0; on a terminal also one that moves."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlengine.train.run import Run

_BETWEEN = 0.2  # seconds between two states of the moving line


class Reporter:
    """Prints on rank 0 and nowhere else; every line leaves at once, so that it can be followed over a pipe."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._live = enabled and sys.stdout.isatty()
        self._next = 0.0
        self._open = False

    def say(self, line: str) -> None:
        """Progress, on stdout."""
        if self.enabled:
            self._clear()
            print(line, flush=True)

    def warn(self, line: str) -> None:
        """What deserves a look, on stderr; also without progress lines."""
        self._clear()
        print(f"dlengine: {line}", file=sys.stderr, flush=True)

    def tick(self, run: Run) -> None:
        """The moving line, after a step; not more than five times a second, and on a terminal only."""
        if not self._live or time.perf_counter() < self._next:
            return
        self._next = time.perf_counter() + _BETWEEN
        steps = run.settings.length.steps(run.feed.steps) if run.feed.steps else None
        speed = run.meter.samples * run.group.world / run.meter.seconds if run.meter.seconds else 0.0
        parts = [
            f"step {run.position.step:,}" + (f"/{steps:,}" if steps else ""),
            f"loss {run.meter.loss:.4f}",
            f"{speed:,.0f} samples/s",
            f"{clock(run.seconds_left)} left",
        ]
        print("\r\x1b[K" + "  ".join(parts), end="", flush=True)
        self._open = True

    def epoch(self, run: Run) -> None:
        """The line of the last row of the history."""
        if not self.enabled:
            return
        row = run.history[-1]
        total = ""
        if run.feed.steps:
            epochs = -(-run.settings.length.steps(run.feed.steps) // run.feed.steps)
            total = f"/{epochs}"
        elif run.settings.length.unit == "ep":
            total = f"/{run.settings.length.count}"
        parts = [f"epoch {row['epoch']:>{max(0, len(total) - 1)}}{total}", f"loss {row['loss']:.4f}"]
        for metric in run.setup.metrics:
            if math.isnan(row[metric.name]):  # a loop of one's own that gives no outputs
                continue
            short = "acc" if metric.name == "accuracy" else metric.name
            parts.append(f"train {short} {row[metric.name]:.4f}")
        if run.setup.test is not None:
            shown = [metric.name for metric in run.setup.metrics] or ["loss"]
            parts += [f"test {'acc' if name == 'accuracy' else name} {row[f'test_{name}']:.4f}" for name in shown]
        parts += [f"{row['samples_per_second']:,.0f} samples/s", f"{clock(run.seconds_left)} left"]
        self.say("  ".join(parts))

    def _clear(self) -> None:
        if self._open:
            print("\r\x1b[K", end="", flush=True)
            self._open = False


def first_line(run: Run) -> str:
    """What is trained on what, for how long."""
    group, settings = run.group, run.settings
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    batch = f"{group.world} x {settings.batch_size}" if group.world > 1 else str(settings.batch_size)
    parts = [f"{count(group.world, 'rank')} on {group.device.type}", f"batch {batch}", f"{parameters:,} parameters"]
    if run.feed.samples is None:
        parts[1:2] = []  # the stream's own
    else:
        test = run.setup.test
        tests = f", {len(test):,} test" if test is not None and hasattr(test, "__len__") else ""
        parts.append(f"{run.feed.samples:,} training{tests} samples")
    if run.feed.steps:
        parts.append(f"{count(settings.length.steps(run.feed.steps), 'step')} ({settings.length})")
    else:
        parts.append(str(settings.length))
    return ", ".join(parts)


def clock(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss; ? where nobody knows."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: int, singular: str) -> str:
    """A number with its noun: "1 epoch", "2 epochs"."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"
