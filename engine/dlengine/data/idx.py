"""IDX files, the format of MNIST: a magic number, the sizes, and the numbers themselves, big-endian. Also gzipped.

Layout after http://yann.lecun.com/exdb/mnist: two zero bytes, a type code, the number of axes, one 32-bit size each.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from dlengine.data.dataset import Dataset
from dlengine.errors import EngineError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PIECE = 1 << 20
GZIP_AT_MOST = 1032  # times; what deflate can reach


def from_idx(images: str | Path, labels: str | Path) -> Dataset:
    """A Dataset of an image file and a label file: images (N, 1, H, W), bytes as they are stored; labels int64.

    Raises EngineError, with file and offset, when a file is damaged, or the two do not belong together.
    """
    x, y = read_idx(images), read_idx(labels)
    if y.ndim != 1 or len(x) != len(y):
        raise EngineError(
            f"{images} holds {x.shape} and {labels} holds {y.shape}", "give the images and the labels of the same set"
        )
    return Dataset(x[:, None] if x.ndim == 3 else x, y)


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in an IDX file; a name that ends in .gz is unpacked. Raises EngineError with file and offset."""
    try:
        room = os.path.getsize(path)
        if str(path).endswith(".gz"):
            with gzip.open(path, "rb") as file:
                return _read(cast(BinaryIO, file), path, room * GZIP_AT_MOST)
        with open(path, "rb") as file:
            return _read(file, path, room)
    except (OSError, EOFError, zlib.error) as error:
        raise EngineError(f"{path} cannot be read: {error}", "check the path, or fetch the file again") from None


def write_idx(path: str | Path, array: NDArray[Any]) -> None:
    """Save an array as an IDX file; a name that ends in .gz is packed."""
    codes = {np.dtype(name): code for code, name in TYPES.items()}
    wanted = array.dtype.newbyteorder(">") if array.dtype.itemsize > 1 else array.dtype
    if wanted not in codes:
        raise EngineError(f"IDX has no {array.dtype}", "convert to uint8, int8, int16, int32, float32 or float64")
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[wanted], array.ndim, *array.shape)
    data = head + array.astype(wanted).tobytes()
    Path(path).write_bytes(gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)


def _read(file: BinaryIO, path: str | Path, room: int) -> NDArray[Any]:
    """Parse; `room` bounds the bytes that can be in the file, so that a wild header costs no memory."""
    head = _exactly(file, 4, path, 0)
    if head[:2] != b"\0\0" or head[2] not in TYPES or head[3] == 0:
        raise _damaged(path, 0, f"starts with {head.hex(' ')}, which is no IDX file's beginning")
    axes = head[3]
    shape = struct.unpack(f">{axes}I", _exactly(file, 4 * axes, path, 4))
    kind, begin = np.dtype(TYPES[head[2]]), 4 + 4 * axes
    size = math.prod(shape) * kind.itemsize
    if size > room - begin and size > 0:
        raise _damaged(path, 4, f"announces {' x '.join(map(str, shape))} of {kind.name}, more than the file can hold")
    data = _exactly(file, size, path, begin)
    if file.read(1):
        raise _damaged(path, begin + size, "goes on after the last number")
    return np.frombuffer(data, dtype=kind).reshape(shape).astype(kind.newbyteorder("="))


def _exactly(file: BinaryIO, size: int, path: str | Path, offset: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        piece = file.read(min(PIECE, size - len(data)))
        if not piece:
            raise _damaged(path, offset + len(data), f"ends there; {size - len(data):,} bytes are missing")
        data += piece
    return data


def _damaged(path: str | Path, offset: int, what: str) -> EngineError:
    return EngineError(f"{path}, offset {offset}: {what}", "fetch the file again; it is damaged or no IDX file")
