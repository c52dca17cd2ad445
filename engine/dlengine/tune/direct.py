"""Steps without the bookkeeping round them: hooks, records and grouping cost 50 microseconds a step of SGD.

Also without loading torch.compile, which torch's `step` does to tell it where to stop.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import optimizer as torch_optimizer


def step(optimizer: torch.optim.Optimizer) -> Callable[..., Any] | None:
    """A stand-in for `optimizer.step` under a fused kernel; None where there is none.

    Steps with a closure or hooks are torch's own.
    """
    return None if "step" in vars(optimizer) else _of_sgd(optimizer) or bare(optimizer)


def bare(optimizer: torch.optim.Optimizer) -> Callable[..., Any] | None:
    """What torch wrote as this optimizer's step, without what it wrapped round it; None for others' optimizers."""
    own = not type(optimizer).__module__.startswith("torch.optim")
    if own or "step" in vars(optimizer) or optimizer.defaults.get("differentiable"):
        return None
    usual, written = optimizer.step, inspect.unwrap(type(optimizer).step)

    def direct(closure: Any = None) -> Any:
        if closure is not None or _watched(optimizer):
            return usual(closure)
        with torch.no_grad():
            return written(optimizer)

    return direct


def _of_sgd(optimizer: torch.optim.Optimizer) -> Callable[..., Any] | None:
    """The kernel of SGD called at once; None for other optimizers, several devices or types.

    Steps with a missing or sparse gradient are torch's own.
    """
    usual = optimizer.step
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    kinds = {(parameter.device, parameter.dtype) for parameter in parameters}
    if type(optimizer) is not torch.optim.SGD or len(kinds) != 1:
        return None

    def direct(closure: Any = None) -> Any:
        updates = []
        for group in optimizer.param_groups:
            members = group["params"]
            gradients = [member.grad for member in members]
            if closure is not None or _watched(optimizer) or any(one is None or one.is_sparse for one in gradients):
                return usual(closure)
            buffers = [optimizer.state[one]["momentum_buffer"] for one in members] if group["momentum"] else []
            updates.append((group, members, gradients, buffers))
        with torch.no_grad():
            for group, members, gradients, buffers in updates:
                torch._fused_sgd_(
                    members,
                    gradients,
                    buffers,
                    weight_decay=group["weight_decay"],
                    momentum=group["momentum"],
                    lr=group["lr"],
                    dampening=0.0,
                    nesterov=group["nesterov"],
                    maximize=group["maximize"],
                    is_first_step=False,
                )
        return None

    return direct


def _watched(optimizer: torch.optim.Optimizer) -> bool:
    """Whether somebody wants to be called with a step."""
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
    )
