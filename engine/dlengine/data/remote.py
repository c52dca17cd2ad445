"""Bytes of a file from a disk, a web server or S3, read once from front to back, over interruptions."""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from dlengine.errors import EngineError

# Opens a file at an offset: the bytes from there on, and the size of the whole file where it is known.
Opener = Callable[[str, int], tuple[BinaryIO, int | None]]

ATTEMPTS = 4  # without a byte in between
WAIT = 0.2  # seconds before the second attempt; doubled each time
TIMEOUT = 30
PIECE = 1 << 20
JUMP = 1 << 20  # bytes from which on a new request is quicker than reading over them


class Source:
    """A file that is read forwards. `offset` is the place, `size` the number of bytes where it is known.

    A connection that breaks, or ends before `size`, is made again at the same place. Raises EngineError with address
    and offset when that does not help.
    """

    def __init__(self, url: str, opener: Opener | None = None) -> None:
        self.url = url
        self.offset = 0
        self.size: int | None = None
        self._opener = opener or _opener(url)
        self._file: BinaryIO | None = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, most: int) -> bytes:
        """The next bytes, at most `most` and at least one before the end."""
        most = min(most, PIECE)
        if most <= 0 or (self.size is not None and self.offset >= self.size):
            return b""
        failure: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(WAIT * 2 ** (attempt - 1))
            try:
                data = self._connected().read(most)
            except (OSError, http.client.HTTPException) as error:
                if not _passes(error):
                    raise self.damaged(f"cannot be read: {_reason(error)}") from None
                failure = error
            else:
                self.offset += len(data)
                if data or self.size is None or self.offset >= self.size:
                    return data
                failure = None
            self.close()
        raise self.damaged(f"cannot be read: {_reason(failure) if failure else f'it ends before {self.size:,} bytes'}")

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes. Raises EngineError when the file ends before."""
        data = bytearray()
        while len(data) < size:
            piece = self.read(size - len(data))
            if not piece:
                raise self.damaged(f"the file ends there; {size - len(data):,} bytes are missing")
            data += piece
        return bytes(data)

    def skip(self, size: int) -> None:
        """Go on behind the next `size` bytes."""
        if self.size is not None and self.offset + size > self.size:
            raise self.damaged(f"{size:,} bytes from there reach over the end of the file ({self.size:,} bytes)")
        if size < JUMP or self.size is None:
            while size > 0:
                piece = self.read(size)
                if not piece:
                    raise self.damaged(f"the file ends there; {size:,} bytes are missing")
                size -= len(piece)
        else:
            self.close()
            self.offset += size

    def damaged(self, what: str) -> EngineError:
        """The error for this place in the file."""
        return EngineError(f"{self.url}, offset {self.offset}: {what}", "check the address, or make the file again")

    def close(self) -> None:
        """Let go of the connection; reading makes a new one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _connected(self) -> BinaryIO:
        if self._file is None:
            self._file, size = self._opener(self.url, self.offset)
            if self.size is not None and size != self.size:
                raise self.damaged(f"the file changed from {self.size} to {size} bytes while it was read")
            self.size = size
        return self._file


def read_all(url: str, most: int, opener: Opener | None = None) -> bytes:
    """A small file as a whole. Raises EngineError when it has more than `most` bytes."""
    with Source(url, opener) as source:
        data = bytearray()
        while piece := source.read(most + 1 - len(data)):
            data += piece
        if len(data) > most:
            raise EngineError(f"{url} has more than {most:,} bytes", "check the address")
        return bytes(data)


def is_local(url: str) -> bool:
    """Whether an address is a path."""
    return "://" not in url


def _opener(url: str) -> Opener:
    kinds: dict[str, Opener] = {"": _open_file, "http": _open_http, "https": _open_http, "s3": _open_s3}
    kind = "" if is_local(url) else urlsplit(url).scheme
    if kind not in kinds:
        raise EngineError(
            f"{url}: files cannot be opened by {kind}", "use a path, http(s):// or s3://, or give opener="
        )
    return kinds[kind]


def _open_file(path: str, offset: int) -> tuple[BinaryIO, int | None]:
    file = open(Path(path), "rb")  # noqa: SIM115
    file.seek(offset)
    return file, os.fstat(file.fileno()).st_size


def _open_http(url: str, offset: int) -> tuple[BinaryIO, int | None]:
    answer = urlopen(Request(url, headers={"Range": f"bytes={offset}-"} if offset else {}), timeout=TIMEOUT)
    size = _size(answer.headers.get("Content-Range"), answer.headers.get("Content-Length"), offset)
    if offset and answer.status != http.client.PARTIAL_CONTENT:  # the server knows no ranges
        size = _size(None, answer.headers.get("Content-Length"), 0)
        while offset > 0 and (piece := answer.read(min(offset, PIECE))):
            offset -= len(piece)
    return answer, size


def _open_s3(url: str, offset: int) -> tuple[BinaryIO, int | None]:
    parts = urlsplit(url)
    wanted = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        answer = _s3().get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"), **wanted)
    except Exception as error:  # botocore makes its exceptions when it runs
        code = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code >= 500 or code == 429:
            raise ConnectionError(str(error)) from None
        raise EngineError(f"{url} cannot be read: {error}", "check the name, and the credentials of AWS") from None
    return answer["Body"], _size(answer.get("ContentRange"), answer.get("ContentLength"), offset)


def _s3() -> Any:
    """A client for this thread's call; region, endpoint and credentials are those of the environment."""
    try:
        import boto3
    except ImportError:
        raise EngineError(
            "s3:// needs boto3, which is not installed", "run: pip install boto3, or use presigned https:// addresses"
        ) from None
    return boto3.client("s3")


def _size(content_range: str | None, length: Any, offset: int) -> int | None:
    """The whole file's size by the headers of an answer that begins at `offset`."""
    match = re.fullmatch(r"bytes \d+-\d+/(\d+)", content_range or "")
    if match:
        return int(match[1])
    return None if length is None else offset + int(length)


def _passes(error: Exception) -> bool:
    """Whether another attempt may help."""
    if isinstance(error, HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return not isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)


def _reason(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}"
