"""Reproducible initial weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """A block whose random numbers follow from `seed`; torch's own generator is left as it was.

    None: draw from torch's generator.
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def xavier(module: nn.Module) -> None:
    """Xavier (Glorot 2010) uniform weights and zero biases, for layers that have them; use with `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
