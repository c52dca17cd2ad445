"""fit: the training loop, its checkpoints and what it reports."""

from __future__ import annotations

from dlengine.train.callback import Callback
from dlengine.train.fit import Result, fit
from dlengine.train.stop import Interrupted

__all__ = ["Callback", "Interrupted", "Result", "fit"]
