"""Reproducible initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dlengine.errors import whole


def sizes(least: int = 1, /, **numbers: Any) -> None:
    """Raise EngineError for one that is no whole number of at least `least`."""
    for name, value in numbers.items():
        whole(name, value, least=least)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """A block whose random numbers follow from `seed`; torch's own generator is left as it was.

    None: draw from torch's generator.
    """
    if seed is None:
        yield
        return
    sizes(0, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def xavier(module: nn.Module) -> None:
    """Xavier (Glorot 2010) uniform weights and zero biases, for layers that have them; use with `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def kaiming(module: nn.Module) -> None:
    """Kaiming (He 2015) normal weights for ReLU networks and zero biases; dense layers N(0, 0.01), as torchvision."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


INITIALIZERS: dict[str, Callable[[nn.Module], None]] = {"xavier": xavier, "kaiming": kaiming}
