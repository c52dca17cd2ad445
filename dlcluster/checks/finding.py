"""What a check says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ERROR", "WARNING"]
Said = Iterator[tuple[str, str]]
"""What a rule yields: message and hint, once per thing that is wrong."""


@dataclass(frozen=True)
class Finding:
    """One finding of a rule. An ERROR would fail on AWS or hurt; a WARNING may be meant so."""

    rule: str
    level: Level
    message: str
    hint: str
