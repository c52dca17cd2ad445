"""Callbacks that write the history to files: CSV, JSON lines, TensorBoard. Rank 0 writes, a resumed run goes on."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlengine.errors import EngineError
from dlengine.train.callback import Callback

if TYPE_CHECKING:
    from dlengine.train.run import Run


class _Rows(Callback):
    """Writes the whole history after each epoch, so that a file says what the history says, also after a resume."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_start(self, run: Run) -> None:
        """Find out now whether the file can be written."""
        self.on_epoch(run)

    def on_epoch(self, run: Run) -> None:
        """Write beside the file, and rename."""
        if run.group.rank != 0:
            return
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(self._text(run.history), encoding="utf-8")
            unfinished.replace(self.path)
        except OSError as error:
            raise EngineError(
                f"{self.path} cannot be written: {error.strerror or error}", "choose another file for the log"
            ) from None

    def _text(self, history: list[dict[str, Any]]) -> str:
        raise NotImplementedError


class CSVLogger(_Rows):
    """The history as a CSV file, a line per epoch."""

    def _text(self, history: list[dict[str, Any]]) -> str:
        lines = io.StringIO()
        if history:
            writer = csv.DictWriter(lines, list(history[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(history)
        return lines.getvalue()


class JSONLogger(_Rows):
    """The history as JSON lines, an object per epoch."""

    def _text(self, history: list[dict[str, Any]]) -> str:
        return "".join(json.dumps(_finite(row)) + "\n" for row in history)


class TensorBoard(Callback):
    """The history for TensorBoard, in a directory; every `every` steps, 0 for never, also the loss and the rate.

    Needs the package tensorboard. Values carry their step, so that those of a resumed run go on where it stopped.
    """

    def __init__(self, directory: str | Path, *, every: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise EngineError(
                "TensorBoard needs the package tensorboard",
                "run: pip install tensorboard; dlengine.train.CSVLogger needs nothing",
            ) from None
        self._make = SummaryWriter
        self.directory = str(directory)
        self.every = every
        self._writer: Any = None

    def on_start(self, run: Run) -> None:
        """Open the file; what a killed run wrote after its checkpoint is hidden."""
        if run.group.rank == 0:
            self._writer = self._make(self.directory, purge_step=run.position.step + 1)

    def on_step(self, run: Run) -> None:
        """The mean loss of the epoch so far, and the learning rate."""
        if self._writer is not None and self.every and run.position.step % self.every == 0:
            rate = run.optimizer.param_groups[0]["lr"]
            self._write({"step/loss": run.meter.loss, "step/lr": rate}, run.position.step)

    def on_epoch(self, run: Run) -> None:
        """Every number of the row."""
        if self._writer is not None:
            row = run.history[-1]
            numbers = {
                name: value for name, value in row.items() if value is not None and name not in ("epoch", "step")
            }
            self._write(numbers, row["step"])
            self._writer.flush()

    def on_end(self, run: Run) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
