"""`dlengine.numpy` arrays where tensors are expected, without importing that package for those who do not use it."""

from __future__ import annotations

import sys
from typing import Any

import torch


def is_array(value: Any) -> bool:
    """Whether it is a `dlengine.numpy` array."""
    core = sys.modules.get("dlengine.numpy.core")
    return core is not None and isinstance(value, core.ndarray)


def unwrap(value: Any) -> Any:
    """The tensor of an array; everything else as it is, lists and tuples item by item."""
    if type(value) in (tuple, list):
        return type(value)(map(unwrap, value))
    return value.tensor if is_array(value) else value


def wrap(value: Any) -> Any:
    """Tensors as arrays, also in lists and tuples."""
    if type(value) in (tuple, list):
        return type(value)(map(wrap, value))
    if not isinstance(value, torch.Tensor):
        return value
    from dlengine.numpy import from_tensor

    return from_tensor(value)
