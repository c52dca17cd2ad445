"""Commands in messages: lower layers write `dlcluster up`, and here it gets the options that this cluster needs."""

from __future__ import annotations

import re
from collections.abc import Callable

# Commands that take a cluster. `status -a` means all of them.
_COMMAND = re.compile(r"\bdlcluster (up|train|status(?! -a)|logs|cancel|exec|ssh|down)\b(?! (?:-n|--file) )")
_options: Callable[[], str] = str


def remember(options: Callable[[], str]) -> None:
    """From now on messages mean the cluster of these options, such as ' -n NAME'; asked when a message is made."""
    global _options
    _options = options


def complete(text: str) -> str:
    """The text with every command made to mean the cluster that this command worked on."""
    if "dlcluster " not in text or not (options := _options()):
        return text
    return _COMMAND.sub(lambda found: found[0] + _for(found[1], options), text)


def _for(command: str, options: str) -> str:
    return options.replace(" -f ", " --file ") if command == "logs" else options  # there -f is --follow
