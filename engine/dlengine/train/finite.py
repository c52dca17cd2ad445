"""Gradients that are no finite numbers, found by reading as little as possible."""

from __future__ import annotations

import math
from collections import Counter

import torch
from torch import nn

from dlengine.errors import EngineError

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Guard:
    """Watches the gradients of a model. The bias of a dense or convolutional layer stands for its weights.

    A bias's gradient is the sum of what comes back to its layer, so that it is not finite when any of that is not. What
    it cannot see is a product of two finite numbers that overflows in the weights' gradient alone.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._found, self._one = torch.zeros(1), torch.ones(1)
        owners = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
        covered = {
            id(module.weight)
            for module in model.modules()
            if type(module) in _LAYERS and module.bias is not None and module.bias.requires_grad
        }
        self._watched = [
            one for one in model.parameters() if one.requires_grad and not (id(one) in covered and owners[id(one)] == 1)
        ]

    def check(self) -> None:
        """Raise EngineError that names the first parameter whose gradient is not finite."""
        gradients = [one.grad for one in self._watched if one.grad is not None]
        if gradients and not _all_finite(gradients, self._found, self._one):
            self._complain()

    def broken_weights(self) -> str | None:
        """The first parameter that is not finite itself."""
        return next((name for name, one in self._model.named_parameters() if not one.isfinite().all()), None)

    def _complain(self) -> None:
        for name, parameter in self._model.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                wrong = "nan" if parameter.grad.isnan().any() else "infinite"
                raise EngineError(
                    f"the gradient of '{name}' is {wrong}, while the loss is finite",
                    "look for a square root or logarithm of 0 or a division by 0 in the model or the loss, "
                    "or try a smaller lr; the weights are still those of the step before",
                )


def _all_finite(gradients: list[torch.Tensor], found: torch.Tensor, one: torch.Tensor) -> bool:
    """Whether no number is infinite or nan; on a CPU in one call, that with which gradient scalers look for them.

    That call says what it found in a tensor, and wants the factor of one in another.
    """
    if gradients[0].device.type != "cpu":
        return bool(torch.stack(torch._foreach_norm(gradients)).isfinite().all())
    if any(one.is_sparse or one.dtype != torch.float32 for one in gradients):
        return math.isfinite(sum(one.sum().item() for one in gradients))
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found.zero_(), one)
    return not found.item()
