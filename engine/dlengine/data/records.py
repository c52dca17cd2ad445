"""A RecordIO file as a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dlengine.data.images import Decoder, as_size
from dlengine.data.recordio import Record, RecordReader, index_path, read_index, unpack
from dlengine.data.samples import Sample, Samples
from dlengine.errors import EngineError


class Records(Samples):
    """The images in a .rec file, as bytes (N, C, H, W), with random access. The .idx file is used when it is there.

    size, mode: as for ImageFolder. Labels: a single whole number is a class (int64), anything else float32; which of
    the two is decided by the first record. decode: a function of a Record that returns input and target, instead.
    Raises EngineError, with file and offset, for whatever is damaged.
    """

    def __init__(
        self,
        path: str | Path,
        size: int | tuple[int, int] | None = None,
        mode: str = "RGB",
        decode: Callable[[Record], Sample] | None = None,
    ) -> None:
        self._reader = RecordReader(path)
        index = index_path(path)
        if index.exists() and index != Path(path):
            self._offsets = read_index(index, self._reader.size)
        else:
            self._offsets = list(self._reader.offsets())
        if not self._offsets:
            raise EngineError(f"{path} holds no records", "check the path")
        self._decode = decode
        self._images = Decoder(mode, as_size(size)) if decode is None else None
        self._classes = decode is None and _is_class(self.record(0))

    def __len__(self) -> int:
        return len(self._offsets)

    def record(self, index: int) -> Record:
        """One record, as it is stored."""
        data, _ = self._reader.read(self._offsets[index])
        return unpack(data, self._where(index))

    def sample(self, index: int) -> Sample:
        """One input and its target."""
        record = self.record(index)
        if self._decode is not None:
            return self._decode(record)
        assert self._images is not None
        if not self._classes:
            return self._images(record.content, self._where(index)), record.labels
        if not _is_class(record):
            raise EngineError(
                f"{self._where(index)}: the labels {record.labels.tolist()} are no class number, as others are",
                "make the file again, or give decode=",
            )
        return self._images(record.content, self._where(index)), np.int64(record.labels[0])

    def _where(self, index: int) -> str:
        return f"{self._reader.path}, offset {self._offsets[index]} (record {index})"


def _is_class(record: Record) -> bool:
    return len(record.labels) == 1 and bool(record.labels[0] >= 0) and float(record.labels[0]).is_integer()
