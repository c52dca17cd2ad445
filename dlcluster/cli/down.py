"""`dlcluster down` on the terminal."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.hints import complete
from dlcluster.cli.select import select
from dlcluster.cluster.down import Report, down
from dlcluster.errors import Exit, UserError


def run_down(file: Path | None, name: str | None, outputs: Path | None, yes: bool, json_: bool) -> int:
    """Remove the cluster; exit LEFTOVER when something is still there."""
    started = time.monotonic()
    config = select(file, name)
    if config.cloud == "aws" and not yes and not render.ask(f"Remove the cluster {config.name} in {config.region}?"):
        raise UserError("not confirmed; nothing was removed", hint="-y answers yes")
    try:
        with render.reporting(json_) as reporter:
            report = down(config, reporter, outputs=outputs)
    except KeyboardInterrupt:
        raise UserError(
            "interrupted; what was begun goes on in the cloud",
            where=config.name,
            hint="`dlcluster down` removes the rest, and proves it",
            code=Exit.INTERRUPTED,
        ) from None
    if json_:
        print_json(asdict(report))
    else:
        _show(report, time.monotonic() - started)
    return Exit.LEFTOVER if report.left else Exit.OK


def _show(report: Report, seconds: float) -> None:
    if report.note:
        render.say(report.note)
    for path in report.saved:
        render.err.print(f"  saved {escape(path)}")
    for item in report.kept:
        render.err.print(f"  kept {escape(item)}, as `bucket.keep` asks")
    if report.left:
        for item in report.left:
            render.err.print(f"  [red]still there:[/] {escape(item)}")
        render.err.print(
            f"[red]{len(report.left)} left[/] of {report.name} after {seconds:.1f} s; "
            f"run {complete('`dlcluster down`')} again"
        )
        return
    kinds = Counter(item.split()[0].removeprefix("AWS::").split("::")[0] for item in report.removed)
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    count = render.quantity(len(report.removed), "resource")
    removed = f"removed {count} ({parts}); " if report.removed else "nothing to remove; "
    render.err.print(f"[green]gone[/] in {seconds:.1f} s: {removed}no service holds anything of {report.name} any more")
