"""What `fit` needs to train a symbol."""

from __future__ import annotations

from typing import Any

from torch import nn

from dlengine.symbol.bind import bind
from dlengine.symbol.symbol import Symbol


def prepare(model: Any, data: Any, seed: int) -> nn.Module:
    """A symbol bound to the shape of the data; a module as it is."""
    if not isinstance(model, Symbol):
        return model
    x, _ = data.batch(range(min(2, len(data))))
    return bind(model, tuple(x.shape), seed=seed)
