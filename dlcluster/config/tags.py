"""What every tag on AWS must be, in clusters and in images."""

from __future__ import annotations

RESERVED = ("aws:", "dlcluster:")


def check_tag(key: str, text: str) -> None:
    """ValueError for a key or a value that AWS refuses, or that is ours."""
    if not 1 <= len(key) <= 128 or len(text) > 256:
        raise ValueError(f"expected a key of 1 to 128 characters and a value of at most 256: {key!r}")
    if key.lower().startswith(RESERVED):
        raise ValueError(f"expected a key that does not begin with {' or '.join(RESERVED)}: {key!r}")
