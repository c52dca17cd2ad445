"""Tar files, read in one pass without trust: no number in them decides how much memory is used.

The standard library's module does not say where an archive is damaged, and reads what a header announces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dlengine.data.remote import Source

BLOCK = 512
MOST_CONTENT = 1 << 31  # bytes of a file; where the archive's size is unknown, nothing else bounds it
MOST_TEXT = 1 << 16  # bytes of a long name or of extended headers
_REGULAR, _LONG_NAME, _EXTENDED, _WITHOUT_DATA = b"0\0" + b"7", b"L", b"x", b"123456"


@dataclass(frozen=True)
class Entry:
    """A regular file in an archive: its name, where its content begins, and how long it is."""

    name: str
    offset: int
    size: int


def entries(source: Source) -> Iterator[Entry]:
    """The regular files of an archive, up to its end mark.

    The content of each can be read from `source` before the next is asked for. Raises EngineError with the offset.
    """
    long_name, extended = "", {}
    while True:
        header = source.exactly(BLOCK)
        if not header.strip(b"\0"):
            return
        name, size, kind = _parse(header, source)
        if kind in (_LONG_NAME, _EXTENDED):
            if size > MOST_TEXT:
                raise source.damaged(f"a name or header of {size:,} bytes")
            text = source.exactly(size)
            source.skip(-size % BLOCK)
            if kind == _LONG_NAME:
                long_name = text.rstrip(b"\0").decode(errors="replace")
            else:
                extended = _records(text, source)
            continue
        name = extended.get("path") or long_name or name
        size = _number(extended["size"].encode(), source) if "size" in extended else size
        long_name, extended = "", {}
        if kind in _WITHOUT_DATA:
            continue
        if source.size is not None and source.offset + size > source.size:
            raise source.damaged(f"{name!r} has {size:,} bytes and reaches over the end of the file")
        if size > MOST_CONTENT:
            raise source.damaged(f"{name!r} has {size:,} bytes; a sample's file has at most {MOST_CONTENT:,}")
        begin = source.offset
        if kind in _REGULAR:
            yield Entry(name, begin, size)
        source.skip(begin + size + -size % BLOCK - source.offset)


def _parse(header: bytes, source: Source) -> tuple[str, int, bytes]:
    """Name, size and type in a header, after its checksum was compared."""
    wanted = header[148:156].strip(b" \0")
    found = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if not re.fullmatch(rb"[0-7]+", wanted) or int(wanted, 8) != found:
        raise source.damaged(f"no header of a tar file, or a damaged one, in the {BLOCK} bytes before")
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    field = header[124:136]
    size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _number(field.strip(b" \0"), source, base=8)
    return (prefix + b"/" + name if prefix else name).decode(errors="replace"), size, header[156:157]


def _records(text: bytes, source: Source) -> dict[str, str]:
    """The key=value records of an extended header; each begins with its own length."""
    found = {}
    while text.strip(b"\0"):
        length, space, _ = text.partition(b" ")
        size = _number(length, source) if space else 0
        if not len(length) + 1 < size <= len(text):
            raise source.damaged("a damaged extended header before")
        key, _, value = text[len(length) + 1 : size].rstrip(b"\n").decode(errors="replace").partition("=")
        found[key] = value
        text = text[size:]
    return found


def _number(digits: bytes, source: Source, base: int = 10) -> int:
    if not digits:
        return 0
    if not digits.isdigit() or len(digits) > 19:
        raise source.damaged(f"{digits[:20]!r} instead of a number in the header before")
    try:
        return int(digits, base)
    except ValueError:
        raise source.damaged(f"{digits[:20]!r} instead of a number in the header before") from None
