"""`dlcluster local` on the terminal."""

from __future__ import annotations

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.errors import Exit, UserError


def run_local_status(json_: bool) -> int:
    """Show the daemon and what it holds; NOT_FOUND when none runs."""
    from dlcluster.local import client

    found = client.status()
    if json_:
        print_json(found)
    elif not found.get("running"):
        render.err.print("the embedded cloud does not run; `dlcluster up` starts it")
    else:
        for key, value in found.items():
            render.out.print(f"{key.replace('_', ' '):<12} {value}")
    return Exit.OK if found.get("running") else Exit.NOT_FOUND


def run_local_stop(yes: bool, json_: bool) -> int:
    """Stop the daemon. Asks when it still holds something."""
    from dlcluster.local import client

    found = client.status()
    held = found.get("instances", 0) or found.get("stacks", 0)
    if found.get("running") and held and not yes and not render.ask("Clusters run on it. Stop them with everything?"):
        raise UserError(
            "the embedded cloud still holds clusters; nothing was stopped",
            hint="`dlcluster down` first, or `dlcluster local stop -y`",
        )
    stopped = client.stop()
    if json_:
        print_json({"stopped": stopped})
    else:
        render.err.print("stopped" if stopped else "the embedded cloud does not run")
    return Exit.OK
