"""What a stopped daemon held, in one file of its home: a line of JSON that anyone may read, then the cloud itself."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

FORMAT = 1


class Unfit(OSError):
    """What is kept cannot be taken up again by this program. empty: it held nothing that anybody would miss."""

    def __init__(self, text: str, *, empty: bool = False) -> None:
        super().__init__(text)
        self.empty = empty


@dataclass(frozen=True)
class Header:
    """fits: what reads it (Python, moto, our code). nodes: instances have nodes. saved: seconds since the epoch.

    stacks: names; instances: how many live; buckets: how many (None: older programs did not say); disks: ids of
    instances whose node had a directory; ports: of AWS, SSH and metadata, taken again when they are free.
    digest: SHA-256 of what follows.
    """

    fits: str
    nodes: bool
    saved: float
    stacks: list[str] = field(default_factory=list)
    instances: int = 0
    buckets: int | None = None
    disks: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    digest: str = ""
    format: int = FORMAT

    @property
    def empty(self) -> bool:
        """Whether it holds no stack, instance or bucket: what a daemon that ends by itself may leave."""
        return not self.stacks and not self.instances and self.buckets == 0


def write(path: Path, header: Header, data: bytes) -> None:
    """Replace the file in one step, readable by the user alone. Raises OSError."""
    complete = {**asdict(header), "digest": hashlib.sha256(data).hexdigest()}
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(complete).encode() + b"\n" + data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read_header(path: Path) -> Header | None:
    """What is kept, or None when nothing is. Raises Unfit for a file that is not one of these."""
    try:
        with path.open("rb") as file:
            return _header(path, file.readline())
    except FileNotFoundError:
        return None


def read(path: Path, fits: str, *, nodes: bool) -> tuple[Header, bytes] | None:
    """What is kept, or None when nothing is. Raises Unfit when it is damaged or of another program."""
    try:
        line, _, data = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    header = _header(path, line)
    problem = _problem(header, data, fits, nodes)
    if problem:
        raise Unfit(f"{path} {problem}; {_held(header)}", empty=header.empty)
    return header, data


def _problem(header: Header, data: bytes, fits: str, nodes: bool) -> str:
    """Why it cannot be taken up, or ""."""
    if header.digest != hashlib.sha256(data).hexdigest():
        return "is damaged"
    if header.fits != fits:
        return f"was written by {header.fits}; this is {fits}"
    if header.nodes != nodes:
        return f"was written by a cloud {'with' if header.nodes else 'without'} nodes"
    return ""


def _header(path: Path, line: bytes) -> Header:
    if not line:
        raise Unfit(f"{path} is an empty file", empty=True)
    try:
        given = json.loads(line)
        header = Header(**{item.name: given[item.name] for item in fields(Header) if item.name in given})
    except (ValueError, TypeError):
        raise Unfit(f"{path} is damaged") from None
    if header.format != FORMAT:
        raise Unfit(f"{path} has the format {header.format}, not {FORMAT}; {_held(header)}", empty=header.empty)
    return header


def _held(header: Header) -> str:
    if header.empty:
        return "it held no stack, instance or bucket"
    stacks = ", ".join(header.stacks) or "none"
    buckets = "" if header.buckets is None else f", {header.buckets} bucket(s)"
    return (
        f"it holds {header.instances} instance(s){buckets} and the stacks: {stacks} "
        "(`dlcluster local stop --discard` forgets them)"
    )
