"""`dlcluster local` on the terminal."""

from __future__ import annotations

import time
from typing import Any

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
        held = f"again with what it held{_content(found['kept'])}" if found.get("kept") else ""
        died = f" (it died {render.age(time.time() - found['crashed']['last_seen'])} ago)" if "crashed" in found else ""
        render.say(f"the embedded cloud does not run{died}; `dlcluster up` starts it {held}".rstrip())
    else:
        for key, value in found.items():
            render.out.print(f"{key.replace('_', ' '):<12} {_text(key, value)}")
    return Exit.OK if found.get("running") else Exit.NOT_FOUND


def run_local_stop(discard: bool, yes: bool, json_: bool) -> int:
    """Stop the daemon and keep what it holds, or forget it (discard). Asks when there are clusters."""
    from dlcluster.local import client

    found = client.status()
    kept = found.get("kept", {})
    held = found.get("instances", 0) or found.get("stacks", 0)
    lost = held or kept if discard else held
    if lost and not yes and not render.ask(_FORGET if discard else _PAUSE):
        raise UserError(
            "the embedded cloud holds clusters; nothing was stopped",
            hint=f"`dlcluster local stop -y{' --discard' if discard else ''}`, or `dlcluster down` first",
        )
    stopped = client.stop(discard=discard)
    if json_:
        print_json({"stopped": stopped, "kept": bool(held or kept) and not discard})
    elif discard:
        render.err.print("stopped and forgotten" if stopped else "forgotten")
    elif stopped:
        render.err.print("stopped; `dlcluster up` starts it again with what it held" if held else "stopped")
    else:
        render.err.print("the embedded cloud does not run")
    return Exit.OK


def _content(kept: dict[str, Any]) -> str:
    if "stacks" not in kept:
        return ""
    stacks, instances = len(kept["stacks"]), kept["instances"]
    return f" ({render.quantity(stacks, 'stack')}, {render.quantity(instances, 'instance')})"


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "started":
        assert isinstance(value, float)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(value))}, {render.age(time.time() - value)} ago"
    return str(value)


_PAUSE = "Clusters run on it: their processes end, their files and all else stay. Stop it?"
_FORGET = "Clusters are on it. Remove them with everything?"
