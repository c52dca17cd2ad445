"""Data sets as arrays, and the order in which ranks read them."""

from __future__ import annotations

from dlengine.data.dataset import Batches, Dataset
from dlengine.data.named import load
from dlengine.data.order import BatchOrder, Share, split

__all__ = ["BatchOrder", "Batches", "Dataset", "Share", "load", "split"]
