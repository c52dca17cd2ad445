"""glibc's malloc for training: memory that a step frees is kept for the next one.

By default large blocks and the top of the heap go back to the system, and come again as zeroed pages in the next step:
110,000 page faults a step of Inception v1 at batch 16. (Source of the settings: mallopt(3).)
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20))
# Once set, the thresholds no longer adapt; these are the values that they would have grown to.
_USUAL = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 64 << 20), (_TOP_PAD, 128 << 10))


@cache
def _glibc() -> Any:
    """The C library, or None where it is not glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None


def available() -> bool:
    """Whether this process has glibc's malloc."""
    return _glibc() is not None


@contextmanager
def keeping_memory(enabled: bool = True) -> Iterator[None]:
    """A block in which freed memory stays with the process; what is free at its end goes back to the system."""
    if not enabled or not available():
        yield
        return
    _set(_KEEP)
    try:
        yield
    finally:
        _set(_USUAL)
        _glibc().malloc_trim(0)


def _set(values: tuple[tuple[int, int], ...]) -> None:
    for name, value in values:
        _glibc().mallopt(name, value)
