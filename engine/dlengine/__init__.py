"""dlengine: train torch models on one process or on many, with the same script.

`dlengine.fit` trains, `dlengine.models` builds networks, `dlengine.symbol` describes them,
`dlengine.data` loads and shards arrays, `dlengine.numpy` is NumPy with gradients on any device.
Nothing heavy is imported until it is used: torch takes one to two seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dlengine.errors import EngineError

if TYPE_CHECKING:
    from dlengine import data as data
    from dlengine import memory as memory
    from dlengine import models as models
    from dlengine import numpy as numpy
    from dlengine import symbol as symbol
    from dlengine import tune as tune
    from dlengine.numpy.devices import device as device
    from dlengine.symbol.compiled import compile as compile
    from dlengine.train import Callback as Callback
    from dlengine.train import EarlyStop as EarlyStop
    from dlengine.train import Interrupted as Interrupted
    from dlengine.train import Loop as Loop
    from dlengine.train import Metric as Metric
    from dlengine.train import Result as Result
    from dlengine.train import Stream as Stream
    from dlengine.train import predict as predict
    from dlengine.train import score as score
    from dlengine.train.fit import fit as fit

__all__ = [
    "Callback",
    "EarlyStop",
    "EngineError",
    "Interrupted",
    "Loop",
    "Metric",
    "Result",
    "Stream",
    "compile",
    "data",
    "device",
    "fit",
    "memory",
    "models",
    "numpy",
    "predict",
    "score",
    "symbol",
    "tune",
]

_TRAIN = {"Callback", "EarlyStop", "Interrupted", "Loop", "Metric", "Result", "Stream", "fit", "predict", "score"}


def __getattr__(name: str) -> Any:
    if name in _TRAIN:
        return getattr(importlib.import_module("dlengine.train"), name)
    if name == "compile":
        return importlib.import_module("dlengine.symbol.compiled").compile
    if name == "device":
        return importlib.import_module("dlengine.numpy.devices").device
    if name in __all__:
        return importlib.import_module(f"dlengine.{name}")
    raise AttributeError(f"module 'dlengine' has no attribute '{name}'")
