"""Networks, each a plain torch module."""

from __future__ import annotations

from dlengine.models.lenet import lenet
from dlengine.models.mlp import mlp

__all__ = ["lenet", "mlp"]
