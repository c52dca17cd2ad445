"""Sums over samples, so that uneven batches and ranks weigh what they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from dlengine.errors import EngineError
from dlengine.parallel import Group
from dlengine.train.metrics import Accuracy, Metric, Sum

_TOGETHER = 16  # steps whose answers are counted at once
_SMALL = 1 << 14  # numbers that a step's answers may have: more take longer to count than to begin counting


class Meter:
    """Sums of one rank: the losses, those of the metrics, the samples, and the seconds that they took.

    `sizes` are those of the metrics' sums, as `layout` gives them. Where only right answers are counted, and few of
    them, those of several steps are counted at once: that spares a short step some percent.
    """

    def __init__(self, metrics: Sequence[Metric], sizes: Sequence[Sequence[int]], device: torch.device) -> None:
        self.metrics = metrics
        self.seconds = 0.0
        self._sizes = sizes
        self._device = device
        self._loss: Sum = 0.0
        self.samples = 0.0
        self._sums: list[list[Sum]] = [[0.0] * len(part) for part in sizes]
        self._counts = device.type == "cpu" and {type(metric) for metric in metrics} == {Accuracy}
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    def add(self, loss: Sum, count: int, output: Any, target: Any, *, measured: bool = True) -> None:
        """Count a batch of `count` samples, given the mean of its losses; without `measured` only the loss."""
        self._loss = self._loss + loss * count
        self.samples += count
        if not measured:
            return
        if self._counts and self._may_wait(output, target):
            self._waiting.append((output.detach().clone(), target.clone()))  # a user's buffer may be filled again
            if len(self._waiting) >= _TOGETHER:
                self._settle()
        else:
            self._measure(output, target)

    def _may_wait(self, output: Any, target: Any) -> bool:
        tensors = isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor)
        if not tensors or output.dim() != 2 or target.dim() != 1 or output.numel() > _SMALL:
            return False
        if not self._waiting:
            return True
        first, answer = self._waiting[0]
        same = (output.shape[1], output.dtype, target.dtype)
        return same == (first.shape[1], first.dtype, answer.dtype)

    def _settle(self) -> None:
        """Count what waits to be counted."""
        if self._waiting:
            outputs, targets = zip(*self._waiting, strict=True)
            self._waiting = []
            self._measure(torch.cat(outputs), torch.cat(targets))

    def _measure(self, output: Any, target: Any) -> None:
        for metric, sums in zip(self.metrics, self._sums, strict=True):
            for place, value in enumerate(metric.sums(output, target)):
                sums[place] = sums[place] + _exact(value)

    @property
    def loss(self) -> float:
        """The mean on this rank so far."""
        return float(self._loss) / self.samples if self.samples else math.nan

    def mark(self) -> tuple[Any, ...]:
        """What `rewind` goes back to."""
        return self._loss, self.samples, [list(sums) for sums in self._sums], list(self._waiting)

    def rewind(self, mark: tuple[Any, ...]) -> None:
        """Forget what was added since `mark`."""
        self._loss, self.samples, self._sums = mark[0], mark[1], [list(sums) for sums in mark[2]]
        self._waiting = list(mark[3])

    def row(self, group: Group) -> dict[str, float]:
        """`loss`, the metrics by name and `samples` over all ranks; the sums stay."""
        values = group.sum(torch.tensor(self._flat(), dtype=torch.float64, device=self._device)).cpu()
        loss, samples = float(values[0]), float(values[1])
        row = {"loss": loss / samples if samples else math.nan}
        place = 2
        for metric, sizes in zip(self.metrics, self._sizes, strict=True):
            sums: list[Any] = []
            for size in sizes:
                sums.append(values[place : place + size] if size > 1 else float(values[place]))
                place += size
            row[metric.name] = metric.value(*sums)
        return row | {"samples": samples}

    def state(self) -> list[float]:
        """The sums, for a checkpoint."""
        return [*self._flat(), self.seconds]

    def load(self, state: list[float]) -> None:
        """Add the sums of a checkpoint."""
        *values, seconds = state
        self.seconds += seconds
        self._loss, self.samples = self._loss + values[0], self.samples + values[1]
        place = 2
        for sizes, sums in zip(self._sizes, self._sums, strict=True):
            for number, size in enumerate(sizes):
                part = values[place : place + size]
                sums[number] = sums[number] + (
                    torch.tensor(part, dtype=torch.float64, device=self._device) if size > 1 else part[0]
                )
                place += size

    def _flat(self) -> list[float]:
        self._settle()
        flat = [float(self._loss), self.samples]
        for sizes, sums in zip(self._sizes, self._sums, strict=True):
            for size, value in zip(sizes, sums, strict=True):
                vector = isinstance(value, torch.Tensor) and value.dim() > 0
                flat += torch.as_tensor(value).tolist() if vector else [float(value)] * size
        return flat


def _exact(value: Sum) -> Sum:
    """Integers and float32 as float64; a single number of the CPU as Python's, which adds up faster."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.item() if value.dim() == 0 and value.device.type == "cpu" else value.double()


def layout(metrics: Sequence[Metric], output: Any, target: Any) -> list[list[int]]:
    """The sizes of the metrics' sums, from one batch. Raises EngineError where a metric does not apply."""
    sizes = []
    for metric in metrics:
        try:
            sums = metric.sums(output, target)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise EngineError(
                f"the metric '{metric.name}' cannot be computed: {str(error).splitlines()[0]}",
                "does it fit the model's output and the targets?",
            ) from None
        sizes.append([value.numel() if isinstance(value, torch.Tensor) else 1 for value in sums])
    return sizes
