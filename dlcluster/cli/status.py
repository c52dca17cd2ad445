"""`dlcluster status` on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.select import select
from dlcluster.cluster.open import Gone, not_found
from dlcluster.cluster.status import overview, status
from dlcluster.errors import Exit


def run_status(file: Path | None, name: str | None, all_: bool, json_: bool) -> int:
    """Show one cluster, or a row for each."""
    if all_:
        rows = overview()
        if json_:
            print_json(rows)
        elif rows:
            render.table(
                ["NAME", "CLOUD", "REGION", "STATE", "NODES", "AN HOUR"],
                [
                    [row["name"], row["cloud"], row["region"], _state(row), row["nodes"] or "", _price(row)]
                    for row in rows
                ],
                fold=("STATE",),
            )
        else:
            render.err.print("no clusters; make one with: dlcluster up")
        return Exit.OK
    config = select(file, name)
    found = status(config)
    if isinstance(found, Gone):
        raise not_found(config, found)
    if json_:
        print_json(found)
    else:
        _show(found)
    return Exit.OK


def _show(found: dict[str, Any]) -> None:
    place = "embedded cloud" if found["cloud"] == "local" else f"AWS {found['region']}"
    cost = "free" if found["cloud"] == "local" else f"{render.money(found['usd_per_hour'])} an hour"
    outside = [node["public_ip"] for node in found["nodes"] if node["public_ip"] not in (None, node["private_ip"])]
    head = "".join(f", head at {address}" for address in outside)
    color = {"ready": "green", "failed": "red", "degraded": "yellow"}.get(found["state"], "yellow")
    render.out.print(
        f"[bold]{found['name']}[/] on the {place}: [{color}]{found['state']}[/], {cost}{head}; stack {found['stack']}"
    )
    render.table(
        ["NODE", "STATE", "TYPE", "INSTANCE", "PRIVATE IP", "UP"],
        [
            [
                node["name"],
                _state(node),
                node["instance_type"],
                node["instance_id"],
                node["private_ip"],
                render.age(node["age_seconds"]),
            ]
            for node in found["nodes"]
        ],
        fold=("STATE",),
    )
    if found["jobs"]:
        render.out.print()
        render.table(
            ["JOB", "STATE", "EXIT", "STARTED", "COMMAND"],
            [
                [job["id"], job["state"], job["exit_code"], render.clock(job["created"]), job["command"]]
                for job in found["jobs"]
            ],
        )


def _state(node: dict[str, Any]) -> str:
    return f"{node['state']}: {node['reason']}" if node.get("reason") else str(node["state"])


def _price(row: dict[str, Any]) -> str:
    if row["cloud"] == "local":
        return "free"
    return render.money(row["usd_per_hour"]) if row["nodes"] else ""
