"""The command line: parse, call, render. Nothing here decides anything."""

from __future__ import annotations


def main() -> None:
    """Entry point of `dlcluster`."""
    from dlcluster.cli.app import app

    app(prog_name="dlcluster")
