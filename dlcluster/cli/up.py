"""`dlcluster up` on the terminal."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.hints import complete
from dlcluster.cli.select import select
from dlcluster.cluster.up import Prepared, discard, execute, prepare
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.stack import hourly_cost, total_cost


def run_up(file: Path | None, name: str | None, plan_only: bool, yes: bool, json_: bool) -> int:
    """Plan, ask when it costs or destroys something, execute, report."""
    started = time.monotonic()
    config = select(file, name, announce=not json_)
    try:
        with render.reporting(json_) as reporter:
            prepared = prepare(config, reporter)
        if not json_:
            _show(prepared, in_full=plan_only)
        if plan_only:
            discard(prepared)
            if json_:
                print_json(_plan_json(prepared))
            return Exit.OK
        _consent(prepared, yes)
        with render.reporting(json_) as reporter:
            cluster = execute(prepared, reporter)
    except KeyboardInterrupt:
        raise UserError(
            "interrupted; what was begun goes on in the cloud",
            where=config.name,
            hint="`dlcluster up` picks it up again, `dlcluster down` removes it",
            code=Exit.INTERRUPTED,
        ) from None
    _finish(prepared, cluster, time.monotonic() - started, json_)
    return Exit.OK


def _show(prepared: Prepared, *, in_full: bool) -> None:
    config, plan = prepared.config, prepared.plan
    for finding in prepared.findings:
        render.err.print(f"[yellow]{finding.level.lower()}:[/] {escape(finding.message)} [dim]\\[{finding.rule}][/]")
    place = "the embedded cloud" if config.cloud == "local" else f"AWS {config.region}"
    if plan.kind == "none":
        render.err.print(f"[bold]{config.name}[/] on {place}: no change")
        return
    workers = render.quantity(config.workers.count, "worker")
    shape = f"1 head ({config.head.type}), {workers} ({config.workers.type})"
    render.err.print(f"[bold]{config.name}[/] on {place}: {shape}")
    if plan.kind == "create":
        if in_full:
            render.changes(plan.changes)
        render.err.print(f"  {render.quantity(len(plan.changes), 'resource')} to create")
    else:
        render.changes(plan.changes)
        if any(change.logical_id == "WorkerLaunchTemplate" for change in plan.changes):
            render.err.print("  workers that run stay as they are; those that start from now on get the change")
    render.err.print(f"  {_price(config)}")


def _price(config: ClusterConfig) -> str:
    lines = hourly_cost(config)
    total = total_cost(lines)
    if config.cloud == "local":
        if total is None:
            return f"free here; what it would cost on AWS in {config.region} is unknown"
        return f"free here; on AWS in {config.region} it would cost about {render.money(total)} an hour"
    parts = ", ".join(f"{line.count} {line.item} {render.money(line.usd_hour)}" for line in lines)
    return f"about [bold]{render.money(total)}[/] an hour ({parts})"


def _consent(prepared: Prepared, yes: bool) -> None:
    """Ask before money is spent or something is replaced. Rehearsing is free, so it only asks for the latter."""
    costs = prepared.config.cloud == "aws" and prepared.plan.kind != "none"
    if yes or not (costs or prepared.plan.destructive):
        return
    render.agreed("Go on?", lambda: discard(prepared), "nothing was changed")


def _plan_json(prepared: Prepared) -> dict[str, Any]:
    return {
        "name": prepared.config.name,
        "cloud": prepared.config.cloud,
        "plan": prepared.plan.kind,
        "changes": [asdict(change) for change in prepared.plan.changes],
        "cost": [asdict(line) for line in hourly_cost(prepared.config)],
        "findings": [asdict(finding) for finding in prepared.findings],
    }


def _finish(prepared: Prepared, cluster: Cluster, seconds: float, json_: bool) -> None:
    if json_:
        nodes = [{**asdict(node), "address": node.address} for node in cluster.nodes]
        print_json(
            {**_plan_json(prepared), "nodes": nodes, "bucket": cluster.store.bucket, "seconds": round(seconds, 2)}
        )
        return
    render.err.print(f"[green]ready[/] in {seconds:.1f} s. Next: [bold]{complete('dlcluster train')}[/]")
