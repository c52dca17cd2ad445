"""Reading the CSV files that ship beside the code."""

from __future__ import annotations

import csv
from importlib import resources

SNAPSHOT = "2026-11-24"
"""The day the CSV files were collected."""


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `data/<name>.csv`, as strings by column."""
    text = resources.files(__package__).joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def number(cell: str) -> float | None:
    """A number, or None for an empty cell: unknown is never zero."""
    return float(cell) if cell else None
