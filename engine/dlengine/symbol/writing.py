"""Text into a file that the caller named."""

from __future__ import annotations

from pathlib import Path

from dlengine.errors import EngineError


def write(path: str | Path, text: str) -> None:
    """Write `text`. Raises EngineError where that is not possible."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror}", "check the folder") from None
