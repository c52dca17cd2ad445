"""Which epoch was the best one, and whether it pays to go on: both follow from the history alone.

So there is nothing to save, and a resumed run stops where the other would have stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlengine.errors import EngineError, unknown, whole
from dlengine.train.metrics import Metric
from dlengine.train.settings import number


@dataclass(frozen=True)
class EarlyStop:
    """End a run when `patience` epochs after the best one have not been better by more than `min_delta`.

    restore_best: the model ends with the weights of the best epoch, and not of the last.
    """

    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        whole("patience", self.patience, least=1)
        number("min_delta", self.min_delta, least=0.0)


@dataclass(frozen=True)
class Judge:
    """Compares the rows of a history by the column `key`."""

    key: str
    higher: bool
    stop: EarlyStop | None

    def best(self, history: Sequence[dict[str, Any]]) -> int | None:
        """The place of the best row; None when the column holds no number."""
        found: int | None = None
        for place, row in enumerate(history):
            value = row.get(self.key)
            if value is None or value != value:
                continue
            if found is None or self._gain(value, history[found][self.key]) > (self.stop.min_delta if self.stop else 0):
                found = place
        return found

    def enough(self, history: Sequence[dict[str, Any]]) -> bool:
        """Whether the run shall end."""
        if self.stop is None or not history:
            return False
        best = self.best(history)
        return len(history) - 1 - (-1 if best is None else best) >= self.stop.patience

    @property
    def restores(self) -> bool:
        """Whether the best weights are put back at the end."""
        return self.stop is not None and self.stop.restore_best

    def _gain(self, value: float, before: float) -> float:
        return value - before if self.higher else before - value


def judge(
    monitor: str | None, early_stop: int | EarlyStop | None, metrics: Sequence[Metric], *, tested: bool
) -> Judge | None:
    """The judge that `fit`'s arguments ask for; None when they ask for none.

    monitor: a column of the history, test_loss, or loss without test data, unless given.
    Raises EngineError for a column that the history will not have.
    """
    if monitor is None and early_stop is None:
        return None
    if isinstance(early_stop, int):
        early_stop = EarlyStop(early_stop)
    if early_stop is not None and not isinstance(early_stop, EarlyStop):
        raise EngineError(f"early_stop={early_stop!r}", "give a number of epochs, or dlengine.EarlyStop(...)")
    directions = {"loss": False} | {metric.name: metric.higher for metric in metrics}
    if tested:
        directions |= {f"test_{name}": higher for name, higher in directions.items()}
    key = monitor or ("test_loss" if tested else "loss")
    if not tested and key.startswith("test_"):
        raise EngineError(
            f"monitor={key!r} without test data", f"give test=..., or monitor='{key.removeprefix('test_')}'"
        )
    if key not in directions:
        raise unknown("monitor", key, directions)
    return Judge(key, directions[key], early_stop)
