"""fit: the training loop, its checkpoints and what it reports."""

from __future__ import annotations

from dlengine.train.best import EarlyStop
from dlengine.train.callback import Callback
from dlengine.train.evaluate import predict, score
from dlengine.train.fit import Result, fit
from dlengine.train.loggers import CSVLogger, JSONLogger, TensorBoard
from dlengine.train.loop import Loop
from dlengine.train.metrics import Metric
from dlengine.train.stop import Interrupted
from dlengine.train.stream import Stream

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStop",
    "Interrupted",
    "JSONLogger",
    "Loop",
    "Metric",
    "Result",
    "Stream",
    "TensorBoard",
    "fit",
    "predict",
    "score",
]
