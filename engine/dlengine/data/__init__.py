"""Data: files of many formats as tensors, changed at random, in an order that ranks share."""

from __future__ import annotations

from dlengine.data import augment
from dlengine.data.augmented import Augmented
from dlengine.data.csvfile import from_csv
from dlengine.data.dataset import Batches, Dataset
from dlengine.data.folder import ImageFolder
from dlengine.data.idx import from_idx, read_idx, write_idx
from dlengine.data.loader import Loader
from dlengine.data.named import load
from dlengine.data.order import BatchOrder, Share, split
from dlengine.data.prefetch import Prefetch
from dlengine.data.recordio import Record, RecordWriter
from dlengine.data.records import Records
from dlengine.data.samples import Samples
from dlengine.data.shards import Shards, write_shards
from dlengine.data.stream import ShardStream

__all__ = [
    "Augmented",
    "BatchOrder",
    "Batches",
    "Dataset",
    "ImageFolder",
    "Loader",
    "Prefetch",
    "Record",
    "RecordWriter",
    "Records",
    "Samples",
    "ShardStream",
    "Shards",
    "Share",
    "augment",
    "from_csv",
    "from_idx",
    "load",
    "read_idx",
    "split",
    "write_idx",
    "write_shards",
]
