"""Plain text on stderr: a terminal gets lines broken between words, a pipe gets them whole, as `grep` expects."""

from __future__ import annotations

import shutil
import sys
import textwrap

HINT = "  hint: "


def say(text: str) -> None:
    """Print text for people, the lines of a hint below each other."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(_broken(line, width) for line in text.split("\n"))
    print(text, file=sys.stderr)


def _broken(line: str, width: int) -> str:
    margin = " " * (len(HINT) if line.startswith(HINT) else len(line) - len(line.lstrip()))
    if len(line) <= width:
        return line
    return textwrap.fill(
        line, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False, expand_tabs=False
    )
