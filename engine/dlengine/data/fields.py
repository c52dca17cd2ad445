"""The files of a sample in a tar shard (WebDataset's naming), and how they become input and target.

`dir/000017.jpg` and `dir/000017.cls` are fields "jpg" and "cls" of the sample `dir/000017`; they stand one after the
other in the archive.
"""

from __future__ import annotations

import io
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from dlengine.data.images import Decoder, as_size
from dlengine.data.samples import Sample
from dlengine.data.tar import Entry
from dlengine.errors import EngineError

T = TypeVar("T")
Fields = dict[str, bytes]
Decode = Callable[[Fields], Sample]

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm")
INPUTS = (*IMAGES, "npy")


@dataclass(frozen=True)
class Member(Generic[T]):
    """A sample in a shard: its name, and what was made of each field."""

    key: str
    fields: dict[str, T] = field(default_factory=dict)


def members(found: Iterable[Entry], make: Callable[[Entry], T], where: str) -> Iterator[Member[T]]:
    """Samples, put together from files that stand one after the other; `make` sees each file when it comes.

    Raises EngineError for a field given twice.
    """
    current: Member[T] | None = None
    for entry in found:
        key, name = split_name(entry.name)
        if not key:
            continue
        if current is None or current.key != key:
            if current is not None:
                yield current
            current = Member(key)
        if name in current.fields:
            raise EngineError(
                f"{where}, offset {entry.offset}: {entry.name!r} comes twice in one sample",
                "each sample needs a name of its own",
            )
        current.fields[name] = make(entry)
    if current is not None:
        yield current


def split_name(name: str) -> tuple[str, str]:
    """Sample and field of a file's name; ("", "") for one that is no part of a sample."""
    folder, base = posixpath.split(name)
    stem, dot, name = base.partition(".")
    return (posixpath.join(folder, stem), name.lower()) if stem and dot and not base.startswith("__") else ("", "")


class Decoded:
    """How fields become input and target: `x` and `y` name the fields, by default an image or .npy, and .cls.

    jpg, png, ...: bytes (C, H, W); npy: the array; cls: a whole number; json: a number or list of numbers.
    """

    def __init__(
        self, x: str | None = None, y: str = "cls", size: int | tuple[int, int] | None = None, mode: str = "RGB"
    ) -> None:
        self._x, self._y = x, y
        self._size, self._mode = as_size(size), mode
        self._images: Decoder | None = None

    def __call__(self, fields: Fields, where: str) -> Sample:
        """Input and target of a sample. Raises EngineError when a field is missing or damaged."""
        x = self._x or next((name for name in INPUTS if name in fields), "one of " + ", ".join(INPUTS))
        for name in (x, self._y):
            if name not in fields:
                raise EngineError(f"{where} has no field {name}", f"it has {', '.join(fields)}; give x= and y=")
        return self._value(x, fields[x], where), self._value(self._y, fields[self._y], where)

    def _value(self, name: str, data: bytes, where: str) -> Any:
        suffix = name.rpartition(".")[2]
        if suffix in IMAGES:
            self._images = self._images or Decoder(self._mode, self._size)
            return self._images(data, f"{where}.{name}")
        try:
            if suffix == "npy":
                return _npy(data)
            if suffix == "cls":
                return int(data)
            if suffix == "json":
                return np.asarray(json.loads(data), dtype=np.float32)
        except Exception as error:  # NumPy parses headers as Python, which can fail in many ways
            raise EngineError(f"{where}.{name} cannot be read: {error}", "replace or remove the sample") from None
        raise EngineError(f"{where}.{name}: no rule for .{suffix}", "give decode=, a function of a dict of bytes")


def _npy(data: bytes) -> NDArray[Any]:
    """The array in a .npy file; the header is compared with the length before memory is used."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject or any(side < 0 for side in shape):
        raise ValueError("no array of numbers")
    flat = np.frombuffer(data, kind, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy()
