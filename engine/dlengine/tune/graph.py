"""A model's forward and backward as CUDA graphs: recorded once, and replayed for every batch of the same shape.

A replay runs no Python and starts all kernels at once, those of branches on their streams included. It computes what
the recorded call would, at the same addresses; so whatever is not as it was then goes through the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from dlengine.tune.forks import random, trace
from dlengine.tune.pure import pure, silent

Capture = Callable[[nn.Module, tuple[torch.Tensor]], Any]  # gives a function of one tensor
Cast = Callable[[], AbstractContextManager[Any]]


def fits(model: nn.Module) -> bool:
    """Whether a replay does what a call does: the code only computes, by shapes alone, and draws no random numbers."""
    if any(buffer.requires_grad for buffer in model.buffers()) or not pure(model):
        return False
    graph, modules = trace(model), dict(model.named_modules())
    return graph is not None and not any(random(node, modules) for node in graph.nodes)


class Graphed(nn.Module):
    """A module that is replayed where it can be, and called where not; its parameters are the module's.

    cast: the autocast under which it will be called. Raises what the capture raises; module and buffers stay as they
    were. `replays` counts.
    """

    def __init__(self, module: nn.Module, x: torch.Tensor, cast: Cast, *, capture: Capture | None = None) -> None:
        super().__init__()
        self.module = module
        self.replays = 0
        self._tensors = [*module.parameters(), *module.buffers()]
        self._layers = list(module.modules())
        self._replay = _record(module, x, cast, capture or torch.cuda.make_graphed_callables)
        with cast():
            self._recorded = self._state(x)

    def forward(self, *inputs: Any) -> Any:
        """What the module returns, in memory of its own."""
        if not self._as_recorded(inputs):
            return self.module(*inputs)
        self.replays += 1
        return self._replay(inputs[0]).clone()  # the graph's own output is overwritten by the next replay

    def _as_recorded(self, inputs: tuple[Any, ...]) -> bool:
        """Gradients that are there would be those of the last replay, and be overwritten instead of added to."""
        return (
            len(inputs) == 1
            and isinstance(inputs[0], torch.Tensor)
            and torch.is_grad_enabled()
            and all(one.grad is None for one in self._tensors)
            and all(map(silent, self._layers))
            and self._state(inputs[0]) == self._recorded
        )

    def _state(self, x: torch.Tensor) -> tuple[Any, ...]:
        """What a graph holds fixed."""
        kind = x.device.type
        return (
            (x.shape, x.dtype, x.device, x.requires_grad),
            (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)),
            [(one.data_ptr(), one.requires_grad) for one in self._tensors],
            [layer.training for layer in self._layers],
        )


class _Call(nn.Module):
    """A module around another one, which the capture may change."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training

    def forward(self, x: torch.Tensor) -> Any:
        return self.module(x)


def _record(module: nn.Module, x: torch.Tensor, cast: Cast, capture: Capture) -> Callable[[torch.Tensor], torch.Tensor]:
    """The replay of a call on inputs like x. What the rehearsals move is put back: statistics and random numbers."""
    kept = [(buffer, buffer.clone()) for buffer in module.buffers()]
    cached = torch.is_autocast_cache_enabled()
    try:
        with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []), cast():
            torch.set_autocast_cache_enabled(False)  # it would hold the weights as they were when recorded
            return capture(_Call(module), (x.clone(),))
    finally:
        torch.set_autocast_cache_enabled(cached)
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
