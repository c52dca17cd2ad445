"""Download a file once, with its checksum."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from dlengine.errors import EngineError

SECONDS = 30  # without a byte
PIECE = 1 << 20
AT_MOST = 256 << 20  # bytes of one file; a server must not fill the disk


def cache(name: str) -> Path:
    """The folder that downloaded data sets are kept in, under $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlengine" / name


def download(base: str, digests: Mapping[str, str], folder: Path) -> None:
    """Fetch the files named in `digests` (name -> SHA-256 of what is in the gzip file) that `folder` does not hold.

    A file appears under its name when all of it is there and its checksum is right. Raises EngineError.
    """
    for name, digest in digests.items():
        file = folder / name
        if file.exists():
            continue
        unfinished = file.with_name(f".{name}.{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _copy(f"{base}/{name}", unfinished)
            found = _digest(unfinished)
            if found != digest:
                raise EngineError(
                    f"{base}/{name} has the SHA-256 {found} instead of {digest}",
                    "it was changed on the way or at its source; get the files elsewhere and give path=",
                )
            unfinished.replace(file)
        except (URLError, OSError, EOFError, zlib.error) as error:
            raise EngineError(
                f"{base}/{name} could not be downloaded: {error}", "get the files elsewhere and give path="
            ) from None
        finally:
            unfinished.unlink(missing_ok=True)


def _copy(url: str, file: Path) -> None:
    with urlopen(url, timeout=SECONDS) as answer, open(file, "wb") as copy:
        while piece := answer.read(PIECE):
            if copy.tell() > AT_MOST:
                raise OSError(f"it is larger than {AT_MOST:,} bytes")
            copy.write(piece)


def _digest(file: Path) -> str:
    with gzip.open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
