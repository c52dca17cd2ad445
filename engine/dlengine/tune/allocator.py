"""glibc's malloc for training: memory that a step frees is kept for the next one.

By default large blocks and the top of the heap go back to the system, and come again as zeroed pages in the next step:
110,000 page faults a step of Inception v1 at batch 16. The heap grows into a range that is marked for large pages, of
2 MiB, before anything lies there: the processor then looks up fewer addresses. (Sources: mallopt(3), madvise(2).)
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_KEEP = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20))
# Once set, the thresholds no longer adapt; these are the values that they would have grown to.
_USUAL = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 64 << 20), (_TOP_PAD, 128 << 10))

_LARGE_PAGE, _MADV_HUGEPAGE = 2 << 20, 14
_RESERVED = 4 << 30  # at most; addresses, which become memory only when they are written to


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
    _mark_for_large_pages()
    try:
        yield
    finally:
        _set(_USUAL)
        _glibc().malloc_trim(0)


def give_back() -> None:
    """Free memory goes back to the system, inside `keeping_memory`."""
    _glibc().malloc_trim(0)
    _mark_for_large_pages()


def _mark_for_large_pages() -> None:
    """Let the heap grow by a range that is nobody's yet, and ask the kernel for large pages there."""
    library = _glibc()
    size = min(_RESERVED, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4)
    library.malloc.restype = ctypes.c_void_p
    begin = library.malloc(ctypes.c_size_t(size))
    if begin is None:  # a limit forbids it: then there are none
        return
    first, last = -(-begin // _LARGE_PAGE), (begin + size) // _LARGE_PAGE
    where = ctypes.c_void_p(first * _LARGE_PAGE)
    library.madvise(where, ctypes.c_size_t((last - first) * _LARGE_PAGE), _MADV_HUGEPAGE)
    library.free(ctypes.c_void_p(begin))


def _set(values: tuple[tuple[int, int], ...]) -> None:
    for name, value in values:
        _glibc().mallopt(name, value)
