"""Losses by name, and what they want of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dlengine.errors import EngineError, unknown

Loss = Callable[[Any, Any], torch.Tensor]

NAMED: dict[str, Loss] = {
    "cross-entropy": functional.cross_entropy,
    "nll": functional.nll_loss,
    "bce": functional.binary_cross_entropy_with_logits,
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.smooth_l1_loss,
}
_CLASSES = (functional.cross_entropy, functional.nll_loss)
_CLASS_MODULES = (nn.CrossEntropyLoss, nn.NLLLoss)
_SAME_SHAPE = tuple(NAMED[name] for name in ("bce", "mse", "mae", "huber"))
_SAME_SHAPE_MODULES = (nn.BCEWithLogitsLoss, nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)


def build(loss: str | Loss | None, model: nn.Module) -> Loss:
    """A function (output, target) -> mean over the batch.

    loss: a name, a function, or None for what the model brings as its attribute `default_loss`, else cross entropy.
    bce takes logits and targets 0 and 1. Raises EngineError for an unknown name.
    """
    if loss is None:
        own = getattr(model, "default_loss", None)
        return own if callable(own) else functional.cross_entropy
    if isinstance(loss, str):
        if loss not in NAMED:
            raise unknown("loss", loss, NAMED)
        return NAMED[loss]
    if not callable(loss):
        raise EngineError(f"the loss is a {type(loss).__name__}", "give a name or a function (output, target) -> mean")
    return loss


def wants_classes(loss: Loss) -> bool:
    """Whether the targets are class numbers."""
    return loss in _CLASSES or isinstance(loss, _CLASS_MODULES)


def probabilities(loss: Loss, output: Any, target: Any) -> bool:
    """Whether the targets are probabilities of classes, as mixup makes them, so that metrics of classes apply.

    For a loss of the user's own that shows in sums of 1: several independent yes-or-no targets seldom have these.
    """
    tensors = isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor)
    if not tensors or output.shape != target.shape or output.dim() < 2 or output.shape[1] < 2:
        return False
    if not target.is_floating_point() or is_known(loss):
        return target.is_floating_point() and wants_classes(loss)
    return bool((target >= 0).all()) and torch.allclose(target.sum(dim=1), target.new_ones(()), atol=1e-3)


def is_known(loss: Loss) -> bool:
    """Whether it is one of torch's, whose wants `check` knows."""
    return wants_classes(loss) or loss in _SAME_SHAPE or isinstance(loss, _SAME_SHAPE_MODULES)


def check(loss: Loss, output: Any, target: Any) -> None:
    """Raise EngineError for outputs and targets that torch's losses refuse or, worse, broadcast."""
    if wants_classes(loss):
        _check_classes(output, target)
    elif is_known(loss):
        if output.shape != target.shape:
            raise EngineError(
                f"the model's output has shape {_shape(output)} and the targets {_shape(target)}",
                "this loss compares them number by number: give targets of the output's shape, such as y[:, None]",
            )
        if not target.is_floating_point():
            raise EngineError(
                f"the targets are {target.dtype}, and this loss wants floating-point numbers",
                "use y.astype('float32')",
            )


def _check_classes(output: torch.Tensor, y: torch.Tensor) -> None:
    """Cross entropy wants logits (N, classes, ...) and class numbers (N, ...) below that, or probabilities."""
    if y.is_floating_point() and y.shape == output.shape:  # probabilities
        return
    if output.dim() > 1 and y.shape == output.shape:
        raise EngineError(
            f"the targets are {y.dtype} of the model's output's shape {_shape(output)}",
            "give class numbers: y.argmax(1) of one-hot rows; or floats, which are probabilities",
        )
    if output.dim() < 2 or output.shape[:1] + output.shape[2:] != y.shape:
        raise EngineError(
            f"the model's output has shape {_shape(output)} and the targets {_shape(y)} for {len(y)} samples",
            "cross entropy wants (N, classes) and (N,); give loss=... for another task",
        )
    if y.is_floating_point():
        raise EngineError(
            f"the labels are {y.dtype}, and cross entropy wants class numbers",
            "use y.astype('int64'), or loss='mse' for regression",
        )


def check_labels(labels: torch.Tensor, classes: int, loss: Loss, where: Any = None) -> None:
    """Raise EngineError for a class number outside 0..classes-1; `where` are the samples' numbers, or None."""
    lowest, highest = map(int, labels.aminmax())
    if lowest >= 0 and highest < classes:
        return
    wrong = ((labels < 0) | (labels >= classes)) & (labels != getattr(loss, "ignore_index", -100))
    if not wrong.any():
        return
    place = int(wrong.nonzero()[0, 0])
    sample = "" if where is None else f" of sample {int(where[place])}"
    raise EngineError(
        f"label {int(labels[wrong].flatten()[0])}{sample} is out of range, with {classes} classes",
        f"labels must lie in 0..{classes - 1}; they span {lowest}..{highest}",
    )


def check_numbers(targets: torch.Tensor, loss: Loss) -> None:
    """Raise EngineError for a target that is not finite, or no yes or no where the loss wants one."""
    if not is_known(loss):
        return
    finite = targets.isfinite()
    if not finite.all():
        place = int((~finite).nonzero()[0, 0])
        raise EngineError(f"the target of sample {place} is not finite", "clean the data; it holds NaN or infinity")
    if (loss is functional.binary_cross_entropy_with_logits or isinstance(loss, nn.BCEWithLogitsLoss)) and (
        (targets < 0) | (targets > 1)
    ).any():
        lowest, highest = (float(value) for value in targets.aminmax())
        raise EngineError(f"the targets span {lowest:g}..{highest:g}", "bce wants 0 for no and 1 for yes, or between")


def _shape(value: torch.Tensor) -> tuple[int, ...]:
    return tuple(value.shape)
