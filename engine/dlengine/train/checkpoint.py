"""Checkpoint files: written whole or not at all, checked when read, the last few kept.

A file is an ordinary torch file, `step-00000123.pt`; `torch.load(file, weights_only=True)["model"]` is the model. It
appears under its name only when all of it is on the disk, so whatever kills the writer leaves the earlier files whole.
Its last 64 bytes, the comment of the zip archive that a torch file is, are the SHA-256 of all bytes before them: the
archive's own checksums cover the parts but not its directory, where a flipped bit makes torch read other bytes.
The text file `latest` holds the name of the newest one, and `best.pt` is the best one, where a run looks for it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from dlengine.errors import EngineError

FORMAT = 1
LATEST = "latest"
BEST = "best.pt"
DIGEST = 64
_NAME = re.compile(r"step-(\d+)\.pt")


class Damaged(Exception):
    """A checkpoint file that cannot be used, and why."""


def write(directory: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Save `state` as the checkpoint after `step`, point `latest` to it, and delete all but the newest `keep`."""
    path = directory / f"step-{step:08d}.pt"
    with _clear_errors(path):
        _write_whole(path, lambda file: _save(state, file))
        _write_whole(directory / LATEST, lambda file: file.write(f"{path.name}\n".encode()))
        for old in files(directory)[keep:]:
            old.unlink(missing_ok=True)
    return path


def write_best(directory: Path, state: dict[str, Any]) -> Path:
    """Save `state` as the best checkpoint so far."""
    path = directory / BEST
    with _clear_errors(path):
        _write_whole(path, lambda file: _save(state, file))
    return path


def prepare(directory: Path) -> None:
    """Make the directory, and remove what a killed writer left unfinished."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for leftover in directory.glob(".*.unfinished"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(
            f"the checkpoint directory {directory} cannot be used: {error.strerror or error}",
            "choose a directory that can be written to",
        ) from None


def files(directory: Path) -> list[Path]:
    """The checkpoints in a directory, newest first."""
    found = [(int(match[1]), path) for path in directory.glob("step-*.pt") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def read(path: Path) -> bytes:
    """The bytes of a checkpoint, after its checksum was compared. Raises Damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path}: {error.strerror or error}") from None
    if hashlib.sha256(data[:-DIGEST]).hexdigest().encode() != data[-DIGEST:]:
        raise Damaged(f"{path}: truncated, damaged or not a checkpoint ({len(data):,} bytes, wrong checksum)")
    try:
        state = decode(data)
    except Exception as error:
        raise Damaged(f"{path}: {str(error).splitlines()[0]}") from None
    if not isinstance(state, dict) or not isinstance(state.get("format"), int):
        raise Damaged(f"{path}: a torch file, but not a checkpoint of dlengine")
    if state["format"] > FORMAT:
        raise EngineError(
            f"{path} has format {state['format']}; this dlengine reads up to {FORMAT}", "use the newer dlengine"
        )
    return data


def decode(data: bytes) -> dict[str, Any]:
    """The state in a checkpoint's bytes, on the CPU; nothing in the file can run code."""
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state


def newest(directory: Path, complain: Callable[[str], None]) -> tuple[Path, bytes] | None:
    """The newest checkpoint that is whole; None when there is none at all.

    `complain` is told of each damaged one that was passed over. Raises EngineError when all are damaged.
    """
    found = files(directory)
    damage = []
    for path in found:
        try:
            return path, read(path)
        except Damaged as error:
            damage.append(str(error))
            complain(f"skipped a damaged checkpoint: {error}")
    if found:
        raise EngineError(
            f"no usable checkpoint in {directory}: {'; '.join(damage)}",
            "choose another directory",
        )
    return None


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"the checkpoint {path} could not be written: {error.strerror or error}",
            "free some space or choose another checkpoint directory; the earlier checkpoints are intact",
        ) from None


def _save(state: dict[str, Any], file: IO[bytes]) -> None:
    """Write a torch file with its digest as the archive's comment, whose length is the archive's last two bytes."""
    torch.save({"format": FORMAT, **state}, file)
    file.seek(-2, os.SEEK_END)
    file.write(DIGEST.to_bytes(2, "little"))
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
    file.seek(0, os.SEEK_END)
    file.write(digest.hexdigest().encode())


def _write_whole(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside `path`, force it to the disk, and only then give it the name."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with open(unfinished, "w+b") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
