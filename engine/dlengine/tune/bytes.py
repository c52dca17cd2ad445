"""Numbers of bytes, read and written."""

from __future__ import annotations

import re

from dlengine.errors import EngineError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse(memory: int | str) -> int:
    """Bytes of "8GiB", "500 MB" or a number. Raises EngineError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?i?B?)\s*", str(memory), re.IGNORECASE)
    count = float(match[1]) * _UNITS.get(match[2].upper(), 0) if match else 0
    if count < 1:
        raise EngineError(f"memory={memory!r}", 'memory is a number of bytes, or one with a unit, such as "8GiB"')
    return int(count)


def size(count: float) -> str:
    """Bytes in the unit that fits: 38.1 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"
