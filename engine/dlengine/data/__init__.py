"""Data: files of many formats as tensors, changed at random, in an order that ranks share."""

from __future__ import annotations

from dlengine.data import augment
from dlengine.data.augmented import Augmented
from dlengine.data.dataset import Batches, Dataset
from dlengine.data.idx import from_idx, read_idx, write_idx
from dlengine.data.named import load
from dlengine.data.order import BatchOrder, Share, split

__all__ = [
    "Augmented",
    "BatchOrder",
    "Batches",
    "Dataset",
    "Share",
    "augment",
    "from_idx",
    "load",
    "read_idx",
    "split",
    "write_idx",
]
