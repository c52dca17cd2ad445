"""Optimizers for large batches, whose step is scaled by each layer's norms: LARS and LAMB.

Biases and the parameters of normalisation layers (one axis) are neither scaled nor decayed, as in both papers'
experiments: their norms say nothing about how far they may move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class _Scaled(torch.optim.Optimizer):
    """The loop over parameters; `_update` moves one of them."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, self.state[parameter], group)
        return loss

    def _update(
        self, weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        raise NotImplementedError


class LARS(_Scaled):
    """Layer-wise adaptive rate scaling (You, Gitman and Ginsburg 2017, algorithm 1).

    With gradient g, weight w, decay b and trust coefficient c: rate = lr * c |w| / (|g| + b |w|),
    v = momentum * v + rate * (g + b w), w = w - v. Where |w| or |g| is 0 the rate is lr.
    """

    def __init__(
        self, params: Any, lr: float = 1.0, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 0.001
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    def _update(
        self, weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        rate = group["lr"]
        if weight.dim() > 1:
            decay, size, slope = group["weight_decay"], weight.norm(), gradient.norm()
            trust = group["trust"] * size / (slope + decay * size)
            rate = rate * torch.where((size > 0) & (slope > 0), trust, 1.0)
            gradient = gradient.add(weight, alpha=decay)
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        state["velocity"].mul_(group["momentum"]).add_(gradient * rate)
        weight.sub_(state["velocity"])


class LAMB(_Scaled):
    """Layer-wise adaptive moments (You et al. 2020, algorithm 2), with bias correction and phi(x) = x.

    With Adam's corrected moments m and v: r = m / (sqrt(v) + eps), u = r + weight_decay * w,
    w = w - lr * |w| / |u| * u. Where |w| or |u| is 0 the ratio is 1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _update(
        self, weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        square = state["square"] / (1 - second ** state["step"])
        update = mean / (square.sqrt() + group["eps"])
        ratio: float | torch.Tensor = 1.0
        if weight.dim() > 1:
            update.add_(weight, alpha=group["weight_decay"])
            size, length = weight.norm(), update.norm()
            ratio = torch.where((size > 0) & (length > 0), size / length, 1.0)
        weight.sub_(update * (group["lr"] * ratio))
