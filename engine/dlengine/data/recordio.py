"""RecordIO, MXNet's format for many records in one file, and the header with labels that its images carry.

A record is a magic number, a length with a flag, the bytes, and zeros up to a multiple of four. Where the bytes hold
the magic number at a multiple of four themselves, the writer leaves it out and splits the record there (dmlc-core,
recordio.h), so that a reader can find the next record from anywhere. The text file beside it, .idx, has a line for
each record: key, tab, offset.
"""

from __future__ import annotations

import os
import struct
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dlengine.errors import EngineError

MAGIC = struct.pack("<I", 0xCED7230A)
MOST = (1 << 29) - 1  # bytes of a part; three bits of the length are the flag
WHOLE, FIRST, MIDDLE, LAST = range(4)
_HEADER = struct.Struct("<IfQQ")


@dataclass(frozen=True)
class Record:
    """What MXNet packs in a record: labels (one or more float32), two numbers, and the content."""

    labels: NDArray[np.float32]
    content: bytes
    id: int = 0
    id2: int = 0


class RecordWriter:
    """Writes `path`, and beside it the index `path` with the ending .idx."""

    def __init__(self, path: str | Path) -> None:
        try:
            self._file = open(path, "wb")  # noqa: SIM115
            self._index = open(index_path(path), "w")  # noqa: SIM115
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error.strerror}", "check the path") from None
        self._count = 0

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def write(self, content: bytes, labels: float | Sequence[float], id: int = 0, id2: int = 0) -> None:
        """Add an image or other bytes with its labels."""
        if not isinstance(content, bytes | bytearray):
            raise EngineError(f"record {self._count}: the content is a {type(content).__name__}", "give bytes")
        try:
            several = np.asarray(labels, dtype="<f4")
        except (TypeError, ValueError):
            raise EngineError(f"record {self._count}: the label {labels!r}", "give a number, or several") from None
        head = _HEADER.pack(several.size, 0, id, id2) + several.tobytes()
        self.write_raw((_HEADER.pack(0, float(several), id, id2) if several.ndim == 0 else head) + content)

    def write_raw(self, data: bytes) -> None:
        """Add a record of any bytes."""
        self._index.write(f"{self._count}\t{self._file.tell()}\n")
        self._count += 1
        parts = _split(data)
        for number, part in enumerate(parts):
            if len(part) > MOST:
                raise EngineError(f"a record of {len(data):,} bytes", f"RecordIO holds at most {MOST:,}")
            flag = WHOLE if len(parts) == 1 else FIRST if number == 0 else LAST if number == len(parts) - 1 else MIDDLE
            self._file.write(MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4))

    def close(self) -> None:
        """Finish both files."""
        self._file.close()
        self._index.close()


class RecordReader:
    """Reads records of a file by their offsets; several threads may."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = descriptor(path)
        weakref.finalize(self, os.close, self._file)
        self.size = os.fstat(self._file).st_size

    def read(self, offset: int) -> tuple[bytes, int]:
        """The bytes of the record at `offset`, and the offset of the next. Raises EngineError where it is damaged."""
        parts: list[bytes] = []
        begin = offset
        while True:
            flag, length = self._head(offset)
            if (flag in (WHOLE, FIRST)) != (not parts):
                raise self._damaged(offset, "a part of a record stands in the wrong order")
            parts.append(self._bytes(offset + 8, length))
            offset += 8 + length + -length % 4
            if flag in (WHOLE, LAST):
                break
            if offset >= self.size:
                raise self._damaged(begin, "the record is cut off at the end of the file")
        return MAGIC.join(parts), offset

    def offsets(self) -> Iterator[int]:
        """Where each record begins, found by walking over the headers."""
        offset = 0
        while offset < self.size:
            flag, length = self._head(offset)
            if flag in (WHOLE, FIRST):
                yield offset
            offset += 8 + length + -length % 4

    def _head(self, offset: int) -> tuple[int, int]:
        head = self._bytes(offset, 8)
        if head[:4] != MAGIC:
            raise self._damaged(offset, f"no record begins there: {head[:4].hex(' ')} instead of {MAGIC.hex(' ')}")
        word = int.from_bytes(head[4:], "little")
        if word >> 29 > LAST:
            raise self._damaged(offset, f"the unknown flag {word >> 29}")
        if word % (1 << 29) > self.size - offset - 8:
            raise self._damaged(offset, f"a record of {word % (1 << 29):,} bytes reaches over the end of the file")
        return word >> 29, word % (1 << 29)

    def _bytes(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._file, size, offset)
        except OSError as error:
            raise EngineError(f"{self.path} cannot be read: {error.strerror}", "check the path") from None
        if len(data) < size:
            raise self._damaged(offset, f"the file ends after {len(data)} of {size} bytes")
        return data

    def _damaged(self, offset: int, what: str) -> EngineError:
        return EngineError(f"{self.path}, offset {offset}: {what}", "make the file again; it is damaged or no RecordIO")


def descriptor(path: str | Path) -> int:
    """A file opened for os.pread, which several threads may call at once. Raises EngineError."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}", "check the path") from None


def unpack(data: bytes, where: str) -> Record:
    """Labels, numbers and content of a record's bytes. Raises EngineError, with `where`, when they are too few."""
    if len(data) < _HEADER.size:
        raise EngineError(f"{where}: a record of {len(data)} bytes has no header with labels", "use another decode=")
    count, label, number, second = _HEADER.unpack_from(data)
    if count == 0:
        return Record(np.array([label], np.float32), data[_HEADER.size :], number, second)
    begin = _HEADER.size + 4 * count
    if begin > len(data):
        raise EngineError(f"{where}: {count} labels announced in {len(data)} bytes", "make the file again")
    labels = np.frombuffer(data, "<f4", count, _HEADER.size).astype(np.float32)
    return Record(labels, data[begin:], number, second)


def read_index(path: str | Path, size: int) -> list[int]:
    """The offsets in an .idx file, in its order, for a file of `size` bytes. Raises EngineError with the line."""
    offsets = []
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path} cannot be read: {error}", "remove it: the record file is enough") from None
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 2 or not fields[1].isdigit() or len(fields[1]) > 19 or int(fields[1]) >= size:
            raise EngineError(f"{path}, line {number}: no key and offset: {line[:80]!r}", "remove the index file")
        offsets.append(int(fields[1]))
    return offsets


def index_path(path: str | Path) -> Path:
    """Where the index of a record file lies."""
    return Path(path).with_suffix(".idx")


def _split(data: bytes) -> list[bytes]:
    """The pieces between magic numbers that stand at a multiple of four."""
    parts, begin, place = [], 0, data.find(MAGIC)
    while place >= 0:
        if place % 4 == 0:
            parts.append(data[begin:place])
            begin = place + 4
            place = data.find(MAGIC, begin)
        else:
            place = data.find(MAGIC, place + 1)
    return [*parts, data[begin:]]
