"""What every command shares: errors become one clear message and a documented exit code, never a traceback."""

from __future__ import annotations

import errno
import functools
import json
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dlcluster.cli.hints import complete
from dlcluster.cli.lines import say
from dlcluster.errors import Exit, UserError

_OF_THIS_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR}


def command(function: Callable[..., Any]) -> Callable[..., None]:
    """Decorate a command. It may return an exit code; None means 0. Its `json_` argument shapes the errors too."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        as_json = bool(kwargs.get("json_"))
        try:
            code = function(*args, **kwargs) or 0
        except UserError as error:
            code = fail(error, as_json=as_json)
        except KeyboardInterrupt:
            code = fail(UserError("interrupted", code=Exit.INTERRUPTED), as_json=as_json)
        except BrokenPipeError:
            # The reader (a pager, `head`) has enough. Python would complain once more at exit: point stdout away.
            sys.stdout = open("/dev/null", "w")  # noqa: SIM115
            code = 141
        except Exception as error:
            code = fail(_refused(error) or _internal(error), as_json=as_json)
        raise SystemExit(int(code))

    return guarded


def fail(error: UserError, *, as_json: bool) -> int:
    """Show an error and return its exit code."""
    if as_json:
        what, hint = complete(error.what), complete(error.hint)
        print_json({"error": {"what": what, "where": error.where, "hint": hint, "exit_code": int(error.code)}})
    else:
        if error.code == Exit.INTERRUPTED and sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal has written ^C on this line
        say(f"error: {complete(str(error))}")
    return int(error.code)


def _refused(error: Exception) -> UserError | None:
    """What this machine does not let us write or read is the user's to mend; None for anything else."""
    if not isinstance(error, OSError) or not error.filename or error.errno not in _OF_THIS_MACHINE:
        return None
    return UserError(
        f"{error.strerror}", where=str(error.filename), hint="see who owns it, and whether the disk is full"
    )


def _internal(error: Exception) -> UserError:
    """A bug of ours: the traceback goes to a file that can be sent with a report."""
    import tempfile

    path = Path(tempfile.gettempdir()) / f"dlcluster-error-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    path.write_text("".join(traceback.format_exception(error)))
    return UserError(
        f"unexpected {type(error).__name__}: {error}",
        where="dlcluster",
        hint=f"this is a bug; its trace is in {path}. Nothing was removed; `dlcluster status` shows what there is",
        code=Exit.INTERNAL,
    )


def print_json(value: Any) -> None:
    """The one thing that `--json` writes to stdout."""
    print(json.dumps(value, indent=1, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
