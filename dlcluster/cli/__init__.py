"""The command line: parse, call, render. Nothing here decides anything."""

from __future__ import annotations

import gc


def main() -> None:
    """Entry point of `dlcluster`."""
    # Start-up is imports: many objects, all of which stay. Looking for garbage among them is a tenth of the time.
    gc.set_threshold(100_000, 50, 50)
    from dlcluster.cli.app import app

    app(prog_name="dlcluster")
