"""The command line: parse, call, render. Nothing here decides anything."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Any


def main() -> None:
    """Entry point of `dlcluster`."""
    # Start-up is imports: many objects, all of which stay. Looking for garbage among them is a tenth of the time.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)  # nor at the end, when the process gives all of it back anyway: 0.15 s
    # paramiko imports the task runner invoke for a directive of ssh_config, a file that we never read: 0.1 s.
    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
    from dlcluster.cli.app import app

    if "--json" not in sys.argv:
        app(prog_name="dlcluster")
        return
    try:
        sys.exit(app(prog_name="dlcluster", standalone_mode=False))
    except Exception as error:
        # A wrong call, by the class of whichever click typer uses. It is told on stdout, as every error with --json.
        if not hasattr(error, "format_message"):
            raise
        sys.exit(_wrong_call(error))


def _wrong_call(error: Any) -> int:
    from dlcluster.cli.guard import fail
    from dlcluster.errors import UserError

    command = error.ctx.command_path if error.ctx else "dlcluster"
    return fail(UserError(error.format_message(), where=command, hint=f"see `{command} --help`"), as_json=True)
