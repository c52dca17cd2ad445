"""`dlcluster local fault` and `dlcluster local calls` on the terminal."""

from __future__ import annotations

import json
import time
from typing import Any

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.errors import Exit

_SELECTION = ("service", "action", "origin", "region", "instance_type", "zone")


def run_fault_add(kind: str, seconds: float | None, lasting: float | None, which: dict[str, Any], json_: bool) -> int:
    """Add a fault. lasting: seconds until it ends by itself."""
    from dlcluster.local import faults

    options = {name: value for name, value in which.items() if value is not None}
    if seconds is not None:
        options["seconds"] = seconds
    if lasting is not None:
        options["until"] = time.time() + lasting
    added = faults.add(kind, **options)
    if json_:
        print_json(added)
    else:
        render.say(f"fault {added['id']}: {_describe(added)}\n`dlcluster local fault clear {added['id']}` ends it")
    return Exit.OK


def run_fault_list(json_: bool) -> int:
    """Show the faults with how often they struck."""
    from dlcluster.local import faults

    rows = faults.in_force()
    if json_:
        print_json(rows)
    elif not rows:
        render.err.print("no faults")
    else:
        columns = [[row["id"], _describe(row), row["hits"], "over" if row["over"] else ""] for row in rows]
        render.table(["FAULT", "STRIKES", "HITS", ""], columns, fold=("STRIKES",))
    return Exit.OK


def run_fault_clear(id: str | None, json_: bool) -> int:
    """Remove one fault or all."""
    from dlcluster.local import faults

    removed = faults.clear(id)
    if json_:
        print_json({"removed": removed})
    else:
        render.say(f"{render.quantity(removed, 'fault')} removed")
    return Exit.OK


def run_calls(follow: bool, which: dict[str, Any], json_: bool) -> int:
    """Show the log of calls; with follow, one line (or one JSON document) per call until Ctrl-C."""
    from dlcluster.local import faults

    if not follow:
        rows = faults.calls(**which)
        if json_:
            print_json(rows)
        else:
            for row in rows:
                print(_line(row))
        return Exit.OK
    faults.calls(limit=1)  # says so when no cloud runs
    for row in faults.follow(**which):
        print(json.dumps(row) if json_ else _line(row), flush=True)
    return Exit.OK


def _describe(row: dict[str, Any]) -> str:
    words = [row["kind"], *([row["code"]] if row["code"] else [])]
    words += [f"{name.removeprefix('instance_')}={row[name]}" for name in _SELECTION if row[name] != "*"]
    words += [f"{name}={row[name]:g}" for name in ("seconds", "probability") if row[name] not in (0, 1)]
    words += [f"from call {row['nth']} on"] if row["nth"] > 1 else []
    words += ["once" if row["times"] == 1 else f"{row['times']} times"] if row["times"] is not None else []
    if row["until"] is not None and not row["over"]:
        words.append(f"for {max(0, row['until'] - time.time()):.0f} s more")
    return " ".join(words)


def _line(row: dict[str, Any]) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(row["time"])) + f".{int(row['time'] * 1000) % 1000:03}"
    origin = row["instance"] or row["origin"]
    error = row["error"] or ""
    text = f"{clock} {row['milliseconds']:7.1f} ms {row['status']} {origin:<19} {row['service']:<14} {row['action']}"
    return f"{text}  {error}" if error else text
