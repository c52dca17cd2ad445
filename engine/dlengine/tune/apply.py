"""A plan put into effect for a while, and undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from dlengine.tune import direct, lrn, padding, rewrite
from dlengine.tune.plan import PLAIN, Plan

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)


@contextmanager
def applied(plan: Plan, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> Iterator[None]:
    """A block in which the model and the optimizer follow the plan, less what is not theirs: allocator and compile.

    The model stays the same object with the same names and values.
    """
    with ExitStack() as undo:
        undo.enter_context(rewrite.rewritten(model, plan.inplace, plan.pool_first))
        undo.enter_context(padding.padded(model, plan.padded))
        undo.enter_context(lrn.direct(model, plan.norms))
        if optimizer is not None:
            undo.callback(_align, optimizer)
        if plan.channels_last:
            undo.enter_context(channels_last(model))
        if optimizer is not None:
            _align(optimizer)
            if plan.fused:
                undo.enter_context(fused(optimizer))
            elif plan != PLAIN:
                undo.enter_context(replaced(optimizer, direct.bare(optimizer)))
        if plan.threads:
            undo.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(plan.threads)
        yield


@contextmanager
def channels_last(model: nn.Module) -> Iterator[None]:
    """A block in which the weights of 2-d convolutions lie in channels_last order; so then do their outputs."""
    convolutions = (nn.Conv2d, nn.ConvTranspose2d)
    weights: list[torch.Tensor] = [each.weight for each in model.modules() if isinstance(each, convolutions)]
    kept = [weight for weight in weights if weight.is_contiguous()]
    _reorder(kept, torch.channels_last)
    try:
        yield
    finally:
        _reorder(kept, torch.contiguous_format)


def _reorder(weights: list[torch.Tensor], order: torch.memory_format) -> None:
    for weight in weights:
        # contiguous() would leave weights of one input channel as they are, whose strides then do not tell the order.
        weight.data = torch.empty_like(weight.data, memory_format=order).copy_(weight.data)


def _align(optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer's state the memory order of the weights: fused kernels walk through both alike."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            same_shape = isinstance(value, torch.Tensor) and value.shape == parameter.shape
            if same_shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


@contextmanager
def fused(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """A block in which a torch optimizer that leaves the choice to torch uses its fused kernel."""
    groups = optimizer.param_groups if may_fuse(optimizer) else []
    for group in groups:
        group["fused"] = True
        if group.get("momentum"):  # the kernel wants all buffers or none, and some first gradient may come late
            for parameter in group["params"]:
                if optimizer.state[parameter].get("momentum_buffer") is None:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    try:
        with replaced(optimizer, direct.step(optimizer) if groups else None):
            yield
    finally:
        for group in groups:
            group["fused"] = None


@contextmanager
def replaced(optimizer: torch.optim.Optimizer, step: Callable[..., Any] | None) -> Iterator[None]:
    """A block in which the optimizer's `step` is another one, if there is another one."""
    if step is not None:
        vars(optimizer)["step"] = step
    try:
        yield
    finally:
        if step is not None:
            vars(optimizer).pop("step", None)


def may_fuse(optimizer: torch.optim.Optimizer) -> bool:
    """Whether torch has a fused kernel for this optimizer's settings, and the user has not chosen otherwise."""
    if type(optimizer) not in _FUSED:
        return False
    asked = [group.get(name) for group in optimizer.param_groups for name in ("fused", "foreach")]
    unfit = ("differentiable", "capturable", "dampening")
    special = [group.get(name) for group in optimizer.param_groups for name in unfit]
    tensors = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return (
        all(value is None for value in asked)
        and not any(special)
        and all(tensor.is_floating_point() and tensor.device.type in ("cpu", "cuda") for tensor in tensors)
    )
