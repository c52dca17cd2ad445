"""`dlcluster local capacity` and `dlcluster local interrupt` on the terminal."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.errors import Exit, UserError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def run_capacity_set(instance_type: str, instances: int, zone: str, json_: bool) -> int:
    """Limit the capacity of a type in a zone."""
    from dlcluster.local import capacity

    rows = capacity.limit(instance_type, instances, zone=zone)
    if json_:
        print_json(rows)
    else:
        where = "every zone" if zone == "*" else zone
        clear = shlex.join(["clear", instance_type, *(() if zone == "*" else ("--zone", zone))])
        render.say(f"room for {instances} x {instance_type} in {where}; `dlcluster local capacity {clear}` ends it")
    return Exit.OK


def run_capacity_list(json_: bool) -> int:
    """Show the limits."""
    from dlcluster.local import capacity

    rows = capacity.rules()
    if json_:
        print_json(rows)
    elif not rows:
        render.err.print("no limits")
    else:
        columns = [
            [row["type"], row["zone"], row["instances"], ", ".join(f"{n} {what}" for what, n in row["used"].items())]
            for row in rows
        ]
        render.table(["TYPE", "ZONE", "INSTANCES", "USED"], columns)
    return Exit.OK


def run_capacity_clear(instance_type: str, zone: str, json_: bool) -> int:
    """Remove limits."""
    from dlcluster.local import capacity

    removed = capacity.clear(instance_type, zone=zone)
    if json_:
        print_json({"removed": removed})
    else:
        render.say(f"{render.quantity(removed, 'limit')} removed")
    return Exit.OK


def run_interrupt(node: str, after: str, file: Path | None, name: str | None, json_: bool) -> int:
    """Interrupt an instance by its id, or a cluster's node by its name."""
    from dlcluster.local import spot

    seconds = _seconds(after)
    instance_id = node if node.startswith("i-") else _instance_of(node, file, name)
    spot.interrupt(instance_id, seconds)
    if json_:
        print_json({"instance": instance_id, "seconds": seconds})
    else:
        render.say(f"{node} has its notice, and ends in {seconds:g} s")
    return Exit.OK


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise UserError(f"{text!r} is no time", where="--after", hint="30s, 2m, 1h")
    return float(match[1]) * _UNITS[match[2]]


def _instance_of(node: str, file: Path | None, name: str | None) -> str:
    from dlcluster.cli.select import select
    from dlcluster.cloud import fleet
    from dlcluster.cluster.open import session
    from dlcluster.local.ask import running

    config = select(file, name)
    if config.cloud != "local":
        raise UserError(f"the cluster {config.name} is not on the embedded cloud", hint="AWS interrupts by itself")
    running()
    live = session(config)
    assert live is not None
    found = {item.name: item.instance_id for item in fleet.nodes(live, config.name)}
    if node not in found:
        hint = f"its nodes: {', '.join(found)}" if found else "`dlcluster up` makes it"
        raise UserError(f"there is no node {node}", where=config.name, hint=hint, code=Exit.NOT_FOUND)
    return found[node]
