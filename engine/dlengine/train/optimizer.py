"""Optimizers by name, by function, or ready made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, unknown

DEFAULT_LR = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001}

OptimizerLike = str | torch.optim.Optimizer | Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def build(
    optimizer: OptimizerLike, model: nn.Module, *, lr: float | None, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """A torch optimizer over the model's trainable parameters.

    Only names take `lr`, `weight_decay` and (sgd) `momentum`; a function is called with the parameters, and an
    optimizer that is already made must hold parameters of this model. Raises EngineError otherwise.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise EngineError("the model has no trainable parameter", "set requires_grad on what shall be trained")
    if isinstance(optimizer, str):
        if optimizer not in DEFAULT_LR:
            raise unknown("optimizer", optimizer, DEFAULT_LR)
        rate = DEFAULT_LR[optimizer] if lr is None else lr
        if optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=weight_decay)
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
        return kind(parameters, lr=rate, weight_decay=weight_decay)
    if lr is not None:
        raise EngineError("lr is given beside an optimizer of your own", "set it where you make the optimizer")
    built = optimizer if isinstance(optimizer, torch.optim.Optimizer) else optimizer(parameters)
    if not isinstance(built, torch.optim.Optimizer):
        raise EngineError(f"the optimizer function returned a {type(built).__name__}", "return a torch.optim.Optimizer")
    own = {id(parameter) for parameter in model.parameters()}
    if any(id(parameter) not in own for group in built.param_groups for parameter in group["params"]):
        raise EngineError("the optimizer holds parameters that are not this model's", "make it from model.parameters()")
    return built


def describe(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's kind and numbers, as a checkpoint compares them."""
    facts: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups):
        prefix = "" if number == 0 else f"group {number}: "
        for key, value in group.items():
            if key != "params" and isinstance(value, bool | int | float | str | tuple):
                facts[prefix + key] = list(value) if isinstance(value, tuple) else value
    return facts
