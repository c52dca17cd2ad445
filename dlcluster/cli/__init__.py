"""The command line: parse, call, render. Nothing here decides anything."""

from __future__ import annotations

import atexit
import gc
import sys


def main() -> None:
    """Entry point of `dlcluster`."""
    # Start-up is imports: many objects, all of which stay. Looking for garbage among them is a tenth of the time.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)  # nor at the end, when the process gives all of it back anyway: 0.15 s
    # paramiko imports the task runner invoke for a directive of ssh_config, a file that we never read: 0.1 s.
    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
    from dlcluster.cli.app import app

    app(prog_name="dlcluster")
