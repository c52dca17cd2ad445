"""What travels through a model: a tensor, or a tuple, list or dict of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dlengine.errors import EngineError


def convert(value: Any, what: str) -> Any:
    """Numbers of any kind as tensors, in place of NumPy arrays: float64 becomes float32."""
    if isinstance(value, torch.Tensor):
        return value.float() if value.dtype == torch.float64 else value
    if isinstance(value, np.ndarray | np.generic | int | float):
        try:
            return convert(torch.as_tensor(value), what)
        except TypeError as error:
            raise EngineError(
                f"{what} of type {getattr(value, 'dtype', type(value))} cannot become a tensor: {error}", "give numbers"
            ) from None
    if isinstance(value, dict):
        return {key: convert(part, what) for key, part in value.items()}
    if isinstance(value, tuple | list):
        if value and all(isinstance(part, int | float) for part in value):
            return convert(np.asarray(value), what)
        return tuple(convert(part, what) for part in value)
    raise EngineError(f"{what} of type {type(value).__name__} cannot become a tensor", "give arrays or tensors")


def each(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """`function` of every tensor in `value`."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: each(function, part) for key, part in value.items()}
    return tuple(each(function, part) for part in value)


def first(value: Any) -> torch.Tensor:
    """The first tensor in `value`."""
    while not isinstance(value, torch.Tensor):
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value


def size(value: Any) -> int:
    """How many samples a batch holds."""
    return len(first(value))


def part(value: Any, begin: int, end: int) -> Any:
    """The samples from `begin` to `end` of a batch."""
    return each(lambda tensor: tensor[begin:end], value)


def to(value: Any, device: torch.device) -> Any:
    """The same on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    return each(lambda tensor: tensor.to(device, non_blocking=True), value)


def call(model: Callable[..., Any], x: Any) -> Any:
    """`model(x)`; a tuple is its arguments, and a dict its arguments by name."""
    if isinstance(x, torch.Tensor):
        return model(x)
    return model(**x) if isinstance(x, dict) else model(*x)
