"""`dlcluster init`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from dlcluster.cli.guard import print_json
from dlcluster.cli.lines import say
from dlcluster.config import json_schema, starter_file
from dlcluster.config.starter import SCHEMA_FILE
from dlcluster.errors import UserError


def run_init(file: Path, json_: bool) -> None:
    """Write the starter file, never over an existing one, and beside it the schema with which editors check it."""
    schema = file.with_name(SCHEMA_FILE)
    try:
        with file.open("x") as stream:
            stream.write(starter_file())
        schema.write_text(json.dumps(json_schema(), indent=1) + "\n")
    except FileExistsError:
        what = "the file exists already; it is left as it is"
        raise UserError(what, where=str(file), hint="name another file") from None
    except OSError as error:
        hint = "" if file.parent.is_dir() else f"make the folder {file.parent} first"
        raise UserError(f"cannot write: {error.strerror}", where=str(error.filename or file), hint=hint) from None
    if json_:
        print_json({"file": str(file), "schema": str(schema)})
    else:
        option = "" if file == Path("cluster.yaml") else f" -f {shlex.quote(str(file))}"
        say(f"wrote {file}, and {schema} for editors. Next: dlcluster up --plan{option}")
