"""Optimizers by name, by class, by function, or ready made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, unknown
from dlengine.train.large_batch import LAMB, LARS
from dlengine.train.muon import muon

# Peak rates where the caller gives none; torch's own for the rest.
DEFAULT_LR = {"sgd": 0.01, "nesterov": 0.01, "lars": 1.0, "lamb": 0.01}
# These have no plain rate and gradient: a closure, sparse gradients only.
_UNUSABLE = ("LBFGS", "SparseAdam", "Optimizer", "Muon")
# How the numbers are computed, not which: two runs may differ in it.
_IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")

OptimizerLike = str | torch.optim.Optimizer | Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def build(
    optimizer: OptimizerLike,
    model: nn.Module,
    *,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float = 0.0,
    decay: str = "all",
) -> torch.optim.Optimizer:
    """An optimizer over the model's trainable parameters.

    optimizer: a name (sgd, nesterov, lars, lamb, muon, or an optimizer of torch in lower case), a class, which is
    called with lr and weight_decay, a function of the parameters, or an optimizer that holds parameters of this model.
    decay: "weights" spares biases and the parameters of normalisation layers (those with one axis) the weight decay.
    Raises EngineError for an unknown name and for numbers that the optimizer does not take.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise EngineError("the model has no trainable parameter", "set requires_grad on what shall be trained")
    named = isinstance(optimizer, str) or (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer))
    if not named:
        if lr is not None:
            raise EngineError("lr is given beside an optimizer of your own", "set it where you make the optimizer")
        if momentum is not None or weight_decay or decay != "all":
            raise EngineError(
                "momentum, weight_decay or decay is given beside an optimizer of your own",
                "set them where you make the optimizer",
            )
        return _own(optimizer, model, parameters)
    settings: dict[str, Any] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    settings = {name: value for name, value in settings.items() if value is not None}
    if optimizer == "muon":
        return muon(model, **settings, decay_vectors=decay == "all")
    kind, defaults = _kind(optimizer)
    taken = inspect.signature(kind).parameters
    for name in settings:
        if name not in taken and (name != "weight_decay" or weight_decay):
            raise EngineError(f"{kind.__name__} has no {name}", "leave it out, or choose another optimizer")
    chosen = {name: value for name, value in (defaults | settings).items() if name in taken}
    try:
        return kind(groups(parameters, weight_decay) if decay == "weights" else parameters, **chosen)
    except (TypeError, ValueError) as error:
        raise EngineError(f"{kind.__name__} refuses its arguments: {error}", "give a function that makes it") from None


def groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Two parameter groups: matrices and kernels with weight decay, biases and norms (at most one axis) without."""
    kinds = [
        ([parameter for parameter in parameters if parameter.dim() > 1], weight_decay),
        ([parameter for parameter in parameters if parameter.dim() <= 1], 0.0),
    ]
    return [{"params": members, "weight_decay": amount} for members, amount in kinds if members]


def describe(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's kind and numbers, as a checkpoint compares them."""
    facts: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups):
        prefix = "" if number == 0 else f"group {number}: "
        for key, value in group.items():
            if key in _IMPLEMENTATION or key == "params" or not isinstance(value, bool | int | float | str | tuple):
                continue
            facts[prefix + key] = list(value) if isinstance(value, tuple) else value
    return facts


def _kind(optimizer: Any) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The class, and the settings that go without saying."""
    if isinstance(optimizer, type):
        _check_usable(optimizer)
        return optimizer, {}
    known: dict[str, type[torch.optim.Optimizer]] = {
        name.lower(): kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name not in _UNUSABLE
    }
    known |= {"nesterov": torch.optim.SGD, "lars": LARS, "lamb": LAMB}
    if optimizer not in known:
        raise unknown("optimizer", optimizer, [*known, "muon"])
    defaults: dict[str, Any] = {"lr": DEFAULT_LR[optimizer]} if optimizer in DEFAULT_LR else {}
    if optimizer in ("sgd", "nesterov"):
        defaults |= {"momentum": 0.9, "nesterov": optimizer == "nesterov"}
    return known[optimizer], defaults


def _check_usable(kind: type[torch.optim.Optimizer]) -> None:
    """Raise EngineError for one of torch's whose step wants more than gradients."""
    if kind is torch.optim.LBFGS or kind is torch.optim.SparseAdam:
        needs = "calls the model several times in a step" if kind is torch.optim.LBFGS else "wants sparse gradients"
        raise EngineError(f"{kind.__name__} {needs}, which fit does not do", "take another one, such as 'adamw'")


def _call(function: Any, parameters: list[nn.Parameter]) -> Any:
    if not callable(function) or isinstance(function, type):
        shown = function.__name__ if isinstance(function, type) else repr(function)
        raise EngineError(
            f"optimizer={shown}", "give a name, a class of torch.optim, a function of the parameters, or an optimizer"
        )
    return function(parameters)


def _own(optimizer: Any, model: nn.Module, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    built = optimizer if isinstance(optimizer, torch.optim.Optimizer) else _call(optimizer, parameters)
    if not isinstance(built, torch.optim.Optimizer):
        raise EngineError(f"the optimizer function returned a {type(built).__name__}", "return a torch.optim.Optimizer")
    _check_usable(type(built))
    own = {id(parameter) for parameter in model.parameters()}
    if any(id(parameter) not in own for group in built.param_groups for parameter in group["params"]):
        raise EngineError("the optimizer holds parameters that are not this model's", "make it from model.parameters()")
    return built
