"""What can be measured over a data set: each metric is computed from sums, which add up over batches and ranks.

So an uneven last batch and ranks with unequal shares weigh what they hold, and a checkpoint holds sums and no tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, unknown

# One sum: a number, a tensor of one number, or a vector.
Sum = torch.Tensor | float
Function = Callable[[Any, Any], Any]


class Metric:
    """A number over a data set. Override `sums` and `value`; `higher` says which direction is better.

    `soft`: targets of the outputs' shape are probabilities of classes, as mixup makes them.
    """

    name = "metric"
    higher = True
    soft = False

    def sums(self, output: Any, target: Any) -> tuple[Sum, ...]:
        """What a batch adds: numbers or vectors, always of the same sizes."""
        raise NotImplementedError

    def value(self, *sums: Any) -> float:
        """The metric of what was added: each sum as a float, or as a float64 vector on the CPU."""
        return sums[0] / sums[1] if sums[1] else math.nan


class Accuracy(Metric):
    """The part of right answers: the largest of (N, classes, ...) logits, or the sign of one logit for targets 0, 1.

    An answer to probabilities is as right as its class is probable (Zhang et al. 2018 count mixed samples so).
    """

    name = "accuracy"

    def sums(self, output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
        """Right answers, and answers."""
        if output.dim() == target.dim() + 1 and output.shape[1] > 1:
            return (output.argmax(dim=1) == target).sum(), target.numel()
        if self.soft and output.shape == target.shape:
            return target.gather(1, output.argmax(dim=1, keepdim=True)).double().sum(), target[:, 0].numel()
        if output.numel() == target.numel():
            return ((output > 0).flatten() == (target > 0.5).flatten()).sum(), target.numel()
        raise EngineError(
            f"accuracy of outputs {tuple(output.shape)} against targets {tuple(target.shape)}",
            "it wants (N, classes) and (N,), or one logit a target",
        )


class TopK(Metric):
    """The part of samples whose class is among the `k` largest logits; of probabilities, those that are among them."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.name = f"top-{k}"

    def sums(self, output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
        """Right answers, and answers."""
        _want_classes(self.name, output, target, soft=self.soft)
        if self.k > output.shape[1]:
            raise EngineError(f"{self.name} of {output.shape[1]} classes", f"use top-{output.shape[1]} or less")
        best = output.topk(self.k, dim=1).indices
        if output.shape == target.shape:
            return target.gather(1, best).double().sum(), target[:, 0].numel()
        return (best == target.unsqueeze(1)).any(dim=1).sum(), target.numel()


class F1(Metric):
    """The mean over the classes that occur of 2 tp / (2 tp + fp + fn): macro F1. For one logit, that of class 1.

    Probabilities count as parts of samples.
    """

    name = "f1"

    def sums(self, output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
        """Right answers, predictions and targets per class."""
        if output.dim() == target.dim() + 1 and output.shape[1] > 1:
            classes, guess, truth = output.shape[1], output.argmax(dim=1), target
        elif self.soft and output.shape == target.shape:
            return _parts(output, target)
        elif output.numel() == target.numel():
            classes, guess, truth = 2, (output > 0).long(), (target > 0.5).long()
        else:
            _want_classes(self.name, output, target, soft=False)
        guess, truth = guess.flatten(), truth.flatten()
        right = torch.bincount(truth[guess == truth], minlength=classes)
        sums = (right, torch.bincount(guess, minlength=classes), torch.bincount(truth, minlength=classes))
        one_logit = output.numel() == target.numel()
        return tuple(part * part.new_tensor([0, 1]) for part in sums) if one_logit else sums

    def value(self, *sums: Any) -> float:
        """From right answers, predictions and targets per class."""
        right, guessed, true = sums
        occurs = guessed + true > 0
        return float((2 * right[occurs] / (guessed + true)[occurs]).mean()) if occurs.any() else math.nan


class Error(Metric):
    """The mean over all numbers of |output - target| (mae), its square (mse), or that one's root (rmse)."""

    higher = False

    def __init__(self, name: str) -> None:
        self.name = name

    def sums(self, output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
        """The errors, and how many there are."""
        if output.shape != target.shape:
            raise EngineError(
                f"{self.name} of outputs {tuple(output.shape)} against targets {tuple(target.shape)}",
                "both must have the same shape, for example y[:, None]",
            )
        error = (output - target).double()
        return (error.abs() if self.name == "mae" else error.square()).sum(), target.numel()

    def value(self, *sums: Any) -> float:
        """The mean of the errors."""
        mean = super().value(*sums)
        return math.sqrt(mean) if self.name == "rmse" else mean


class Perplexity(Metric):
    """exp of the mean cross entropy of the targets, numbers or probabilities; targets of -100 do not count.

    Outputs are (N, classes, ...) logits.
    """

    name = "perplexity"
    higher = False

    def sums(self, output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
        """The cross entropies, and how many there are."""
        _want_classes(self.name, output, target, soft=self.soft)
        count = target[:, 0].numel() if output.shape == target.shape else (target != -100).sum()
        return nn.functional.cross_entropy(output.float(), target, reduction="sum").double(), count

    def value(self, *sums: Any) -> float:
        """exp of the mean."""
        mean = super().value(*sums)
        return math.exp(mean) if mean < 700 else math.inf


class Custom(Metric):
    """A function (output, target) -> mean over the batch, weighed by the samples of the batch."""

    def __init__(self, name: str, function: Function) -> None:
        self.name = name
        self.function = function

    def sums(self, output: Any, target: Any) -> tuple[Sum, ...]:
        """The mean times the samples, and the samples."""
        value = self.function(output, target)
        if not isinstance(value, int | float) and getattr(value, "numel", lambda: 0)() != 1:
            raise EngineError(f"the metric '{self.name}' is no single number", "return the mean over the batch")
        count = len(target) if isinstance(target, torch.Tensor) else 1
        return value * count, count


NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "top-5": lambda: TopK(5),
    "f1": F1,
    "mae": lambda: Error("mae"),
    "mse": lambda: Error("mse"),
    "rmse": lambda: Error("rmse"),
    "perplexity": Perplexity,
}


def build(metrics: Any) -> list[Metric]:
    """Metrics by name ("top-3" with any number), as functions or `Metric` objects, one or a list; or functions by name.

    "loss" is always measured, and so may be named or not. Raises EngineError for unknown and for equal names.
    """
    if isinstance(metrics, dict):
        made: list[Metric] = [Custom(name, function) for name, function in metrics.items()]
    else:
        several = metrics if isinstance(metrics, list | tuple | set) else [metrics]
        made = [_one(metric) for metric in several if metric != "loss"]
    names = [metric.name for metric in made]
    for name in names:
        if names.count(name) > 1 or name in ("loss", "epoch", "step", "lr", "seconds", "samples_per_second"):
            raise EngineError(f"two metrics would be called '{name}'", "rename one: metrics={'name': function}")
    return made


def _one(metric: Any) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, type) and issubclass(metric, Metric):
        return metric()
    if isinstance(metric, str):
        match = re.fullmatch(r"top-?([1-9]\d*)", metric)
        if match:
            return TopK(int(match[1]))
        if metric in NAMED:
            return NAMED[metric]()
        raise unknown("metric", metric, NAMED)
    if callable(metric):
        return Custom(getattr(metric, "__name__", type(metric).__name__), metric)
    raise unknown("metric", metric, NAMED)


def _parts(output: torch.Tensor, target: torch.Tensor) -> tuple[Sum, ...]:
    """Right answers, predictions and targets per class, where targets are probabilities."""
    classes = output.shape[1]
    guess = nn.functional.one_hot(output.argmax(dim=1), classes).movedim(-1, 1)
    axes = [axis for axis in range(output.dim()) if axis != 1]
    return tuple(part.double().sum(axes) for part in (target * guess, guess, target))


def _want_classes(name: str, output: torch.Tensor, target: torch.Tensor, *, soft: bool) -> None:
    right = output.dim() == target.dim() + 1 or (soft and output.shape == target.shape)
    if not (right and output.shape[1] > 1):
        raise EngineError(
            f"{name} of outputs {tuple(output.shape)} against targets {tuple(target.shape)}",
            "it wants (N, classes) logits and (N,) class numbers",
        )
