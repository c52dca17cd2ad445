"""Output layers: they say what the numbers mean and how they are trained.

A bound graph returns what goes into its output layer: scores, as torch's losses want them. The layer supplies the loss,
and turns scores into predictions (probabilities, say).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dlengine.errors import EngineError
from dlengine.symbol.parameters import Fraction, Integer, Positive
from dlengine.symbol.registry import Shape, operator


class Head(nn.Identity):
    """An output layer: passes scores on, and knows their loss and their meaning."""

    def __init__(self, criterion: nn.Module, scale: float) -> None:
        super().__init__()
        self.criterion, self.scale = criterion, scale

    def loss(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean loss over a batch."""
        return self.criterion(scores, target)

    def predict(self, scores: torch.Tensor) -> torch.Tensor:
        """What the scores mean."""
        return scores


class SoftmaxHead(Head):
    """Class scores on axis 1; predictions are probabilities."""

    def predict(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(dim=1)


class RegressionLoss(nn.Module):
    """A loss between numbers; targets may lack axes of length 1, and are converted to the scores' type."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if target.squeeze().shape != scores.squeeze().shape:
            raise EngineError(
                f"the outputs have shape {tuple(scores.shape)} and the targets {tuple(target.shape)}",
                "a regression wants one target for every output",
            )
        return self.function(scores, target.reshape(scores.shape).to(scores.dtype))

    def extra_repr(self) -> str:
        return self.function.__name__


class LogisticHead(Head):
    """Scores of independent yes or no; predictions are probabilities."""

    def predict(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.sigmoid()


@operator("output")
def SoftmaxOutput(
    x: Shape, *, smooth_alpha: Fraction = 0.0, ignore_label: Integer = -100, grad_scale: Positive = 1.0
) -> nn.Module:
    """Classification: scores (N, classes, ...) against class numbers (N, ...), trained by cross entropy.

    smooth_alpha: label smoothing. Targets equal to ignore_label do not count. grad_scale: weight within a group.
    """
    if len(x) < 2:
        raise EngineError("the input has no axis of classes", "it wants (N, classes)")
    return SoftmaxHead(nn.CrossEntropyLoss(ignore_index=ignore_label, label_smoothing=smooth_alpha), grad_scale)


@operator("output")
def LinearRegressionOutput(x: Shape, *, grad_scale: Positive = 1.0) -> nn.Module:
    """Regression by the mean squared error."""
    return Head(RegressionLoss(functional.mse_loss), grad_scale)


@operator("output")
def MAERegressionOutput(x: Shape, *, grad_scale: Positive = 1.0) -> nn.Module:
    """Regression by the mean absolute error."""
    return Head(RegressionLoss(functional.l1_loss), grad_scale)


@operator("output")
def LogisticRegressionOutput(x: Shape, *, grad_scale: Positive = 1.0) -> nn.Module:
    """Scores against targets between 0 and 1, trained by the cross entropy of the logistic function."""
    return LogisticHead(RegressionLoss(functional.binary_cross_entropy_with_logits), grad_scale)
