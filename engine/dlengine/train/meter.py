"""Loss and accuracy as sums over samples, so that uneven batches and ranks weigh what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from dlengine.data import Batches, split
from dlengine.parallel import Group
from dlengine.train.mode import evaluating

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Score:
    """Mean loss and accuracy (None where the targets are no classes) over all samples of all ranks."""

    loss: float
    accuracy: float | None
    samples: int


class Meter:
    """Sums of one rank: losses, right answers, samples, and the seconds that they took."""

    def __init__(self, device: torch.device, *, classes: bool) -> None:
        self.classes = classes
        self.seconds = 0.0
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, loss: torch.Tensor, output: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch, given the mean of its losses."""
        count = len(target)
        self._sums[0] += loss.detach() * count
        if self.classes:
            self._sums[1] += (output.argmax(dim=1) == target).sum()
        self._sums[2] += count

    def score(self, group: Group) -> Score:
        """The means over all ranks; the sums stay."""
        loss, right, count = group.sum(self._sums.clone()).tolist()
        return Score(loss / count, right / count if self.classes else None, round(count))

    def state(self) -> list[float]:
        """The sums, for a checkpoint."""
        return [*self._sums.tolist(), self.seconds]

    def load(self, state: list[float]) -> None:
        """Add the sums of a checkpoint."""
        self._sums += self._sums.new_tensor(state[:3])
        self.seconds += state[3]


def evaluate(model: nn.Module, data: Batches, loss: Loss, group: Group, *, batch: int, classes: bool) -> Score:
    """Loss and accuracy over a data set; each sample is seen by exactly one rank, in evaluation mode."""
    meter = Meter(group.device, classes=classes)
    first, last = split(len(data), group.world, group.rank)
    with torch.no_grad(), evaluating(model):
        for begin in range(first, last, batch):
            x, y = data.batch(range(begin, min(begin + batch, last)))
            x, y = x.to(group.device), y.to(group.device)
            output = model(x)
            meter.add(loss(output, y), output, y)
    return meter.score(group)
