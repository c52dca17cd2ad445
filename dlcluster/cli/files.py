"""`dlcluster init`."""

from __future__ import annotations

import sys
from pathlib import Path

from dlcluster.cli.guard import print_json
from dlcluster.config import starter_file
from dlcluster.errors import UserError


def run_init(file: Path, json_: bool) -> None:
    """Write the starter file; never over an existing one."""
    try:
        with file.open("x") as stream:
            stream.write(starter_file())
    except FileExistsError:
        what = "the file exists already; it is left as it is"
        raise UserError(what, where=str(file), hint="name another file") from None
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(file)) from None
    if json_:
        print_json({"file": str(file)})
    else:
        print(f"wrote {file}. Next: dlcluster up --plan -f {file}", file=sys.stderr)
