"""Local response normalization in a few passes over memory: torch's own takes a third of a step of Inception v1.

torch pools squares in three dimensions and raises every number to a power. Here neighbouring channels add up as shifted
slices, the usual power of -3/4 is two roots, and the gradient is written down (Krizhevsky et al. 2012):

    y = x s^-b,  s = k + a/n sum of x^2 over n channels,  dx = g s^-b - 2ab/n x sum of (g x s^(-b-1))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from dlengine.tune.rewrite import watched


def find(model: nn.Module) -> tuple[str, ...]:
    """The names of the normalizations that are torch's own."""
    return tuple(
        name for name, module in model.named_modules() if type(module) is nn.LocalResponseNorm and not watched(module)
    )


@contextmanager
def direct(model: nn.Module, names: tuple[str, ...]) -> Iterator[None]:
    """A block in which the named layers compute so; on the same module objects."""
    with ExitStack() as undo:
        for name in names:
            module: Any = model.get_submodule(name)
            module.forward = _forward(module)
            undo.callback(vars(module).pop, "forward", None)
        yield


def _forward(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    usual = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        plain = x.dim() > 2 and x.dtype in (torch.float32, torch.float64) and forward_ad._current_level < 0
        if not plain:
            return usual(x)
        result: torch.Tensor = _Norm.apply(x, module.size, module.alpha, module.beta, module.k)[0]
        return result

    return forward


class _Norm(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> tuple[torch.Tensor, ...]:
        scale = _window(x * x, size // 2, (size - 1) // 2).mul_(alpha / size).add_(k)
        power = _power(scale, beta)
        return x * power, scale, power

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, *ctx.settings = inputs
        _, scale, power = output
        ctx.mark_non_differentiable(scale, power)
        ctx.save_for_backward(x, scale, power)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[torch.Tensor | None, ...]:
        gradient = gradients[0]
        x, scale, power = ctx.saved_tensors
        size, alpha, beta, k = ctx.settings
        if torch.is_grad_enabled():  # the gradient is to be differentiated in its turn
            y = F.local_response_norm(x, size, alpha, beta, k)
            return *torch.autograd.grad(y, x, gradient, create_graph=True), None, None, None, None
        own = gradient * power
        shared = _window((own * x).div_(scale), (size - 1) // 2, size // 2)
        return own.sub_(shared.mul_(x), alpha=2 * alpha * beta / size), None, None, None, None


def _window(values: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Each channel's sum over itself and its neighbours."""
    total, channels = values.clone(), values.shape[1]
    for distance in range(1, min(max(before, after) + 1, channels)):
        low, high = values.narrow(1, 0, channels - distance), values.narrow(1, distance, channels - distance)
        if distance <= before:
            total.narrow(1, distance, channels - distance).add_(low)
        if distance <= after:
            total.narrow(1, 0, channels - distance).add_(high)
    return total


def _power(scale: torch.Tensor, beta: float) -> torch.Tensor:
    """scale ** -beta."""
    if beta != 0.75:
        return scale.pow(-beta)
    root = scale.rsqrt()
    return root.sqrt().mul_(root)
