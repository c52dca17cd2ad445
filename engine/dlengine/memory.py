"""How much memory a training step takes, known before anything is allocated: `dlengine.memory.forecast`."""

from __future__ import annotations

from dlengine.tune.forecast import Forecast, forecast

__all__ = ["Forecast", "forecast"]
