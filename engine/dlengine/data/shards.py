"""Tar shards on a disk, with random access; and writing them."""

from __future__ import annotations

import glob
import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dlengine.data.fields import Decode, Decoded, Fields, Member, members
from dlengine.data.recordio import descriptor
from dlengine.data.remote import Opener, Source, is_local, read_all
from dlengine.data.samples import Sample, Samples
from dlengine.data.tar import Entry, entries
from dlengine.errors import EngineError

INDEX = "index.json"
MOST_INDEX = 64 << 20
MOST_NAMES = 1_000_000


class Shards(Samples):
    """The samples of tar files (WebDataset's naming) on a disk, in their order, with random access.

    paths: "data/train-{000000..000009}.tar", "data/*.tar", a folder, or a list of such.
    x, y, size, mode: see `fields.Decoded`. decode: a function from {field: bytes} to input and target, instead.
    The archives are read through once, headers only. Raises EngineError with file and offset for what is damaged.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        x: str | None = None,
        y: str = "cls",
        size: int | tuple[int, int] | None = None,
        mode: str = "RGB",
        decode: Decode | None = None,
    ) -> None:
        self.paths = expand(paths)
        self._decode = decode
        self._decoded = Decoded(x, y, size, mode)
        self._samples: list[tuple[int, Member[Entry]]] = []
        for number, path in enumerate(self.paths):
            with Source(path) as source:
                self._samples += [(number, member) for member in members(entries(source), _keep, path)]
        if not self._samples:
            raise EngineError(f"no samples in {', '.join(self.paths[:3])}", "name files like 0001.jpg and 0001.cls")

    def __len__(self) -> int:
        return len(self._samples)

    def sample(self, index: int) -> Sample:
        """One input and its target."""
        number, member = self._samples[index]
        file = descriptor(self.paths[number])
        try:
            fields = {name: os.pread(file, entry.size, entry.offset) for name, entry in member.fields.items()}
        finally:
            os.close(file)
        return self._decode(fields) if self._decode else self._decoded(fields, f"{self.paths[number]}: {member.key}")


def write_shards(
    folder: str | Path, samples: Iterable[Fields], *, per_shard: int = 1000, prefix: str = "shard"
) -> list[Path]:
    """Write samples, each a dict of bytes by field, as `folder`/`prefix`-000000.tar and so on, and an index.json.

    The index tells how many samples each shard holds, which a stream needs to give ranks equal parts.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    counts: list[int] = []
    archive: tarfile.TarFile | None = None
    for number, fields in enumerate(samples):
        if archive is None or counts[-1] == per_shard:
            if archive is not None:
                archive.close()
            paths.append(folder / f"{prefix}-{len(paths):06d}.tar")
            counts.append(0)
            archive = tarfile.open(paths[-1], "w")  # noqa: SIM115
        _check_sample(fields, number)
        for name, data in fields.items():
            info = tarfile.TarInfo(f"{number:09d}.{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        counts[-1] += 1
    if archive is None:
        raise EngineError("no samples to write", "give at least one")
    archive.close()
    shards = [{"url": path.name, "nsamples": count} for path, count in zip(paths, counts, strict=True)]
    (folder / INDEX).write_text(json.dumps({"wids_version": 1, "shardlist": shards}, indent=1) + "\n")
    return paths


def _check_sample(fields: Any, number: int) -> None:
    """Raise EngineError for what is no dict of bytes."""
    if isinstance(fields, dict):
        wrong = next((name for name, data in fields.items() if not isinstance(data, bytes | bytearray)), None)
        if wrong is None:
            return
        what = f"sample {number}: {wrong} is a {type(fields[wrong]).__name__}"
    else:
        what = f"sample {number} is a {type(fields).__name__}"
    raise EngineError(what, "give a dict of bytes by field, such as {'jpg': image, 'cls': b'3'}")


def read_shard_index(url: str, opener: Opener | None = None) -> tuple[list[str], list[int]]:
    """Addresses and numbers of samples of the shards that an index.json (as WebDataset's wids) lists."""
    try:
        listed = json.loads(read_all(url, MOST_INDEX, opener))["shardlist"]
        names = [str(shard["url"]) for shard in listed]
        counts = [int(shard["nsamples"]) for shard in listed]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EngineError(f"{url} is no index of shards: {type(error).__name__}: {error}", "write it again") from None
    if not counts or min(counts) < 1:
        raise EngineError(f"{url} lists no shards, or one without samples", "write it again")
    base = url[: url.rfind("/") + 1]
    return [name if "://" in name or name.startswith("/") else base + name for name in names], counts


def expand(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """All files that a pattern, a folder or a list of them stands for. Raises EngineError when there is none."""
    found: list[str] = []
    listed = [paths] if isinstance(paths, str | Path) else paths
    if not isinstance(listed, Iterable) or not all(isinstance(path, str | Path) for path in listed):
        raise EngineError(f"{paths!r} names no tar files", "give a path, a pattern, a folder, or a list of them")
    for path in listed:
        for name in _braces(str(path)):
            if not is_local(name):
                found.append(name)
            elif os.path.isdir(name):
                found += sorted(glob.glob(f"{glob.escape(name)}/*.tar"))
            else:
                found += sorted(glob.glob(name)) if glob.has_magic(name) else [name]
    if not found:
        raise EngineError(f"no tar files match {paths}", "check the path")
    return found


def _keep(entry: Entry) -> Entry:
    return entry


def _braces(pattern: str) -> list[str]:
    """`a{08..10}b` as a08b, a09b, a10b."""
    match = re.search(r"\{(\d{1,18})\.\.(\d{1,18})\}", pattern)
    if not match:
        return [pattern]
    first, last, width = int(match[1]), int(match[2]), len(match[1])
    if not 0 <= last - first < MOST_NAMES:
        raise EngineError(f"{pattern} stands for no files, or more than {MOST_NAMES:,}", "write {first..last}")
    rest = _braces(pattern[match.end() :])
    return [f"{pattern[: match.start()]}{number:0{width}d}{tail}" for number in range(first, last + 1) for tail in rest]
