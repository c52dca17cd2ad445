"""Capacity of the embedded cloud's zones, from another process: see docs/embedded-cloud.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dlcluster.errors import Exit, UserError
from dlcluster.local import client
from dlcluster.local.ask import ask

__all__ = ["clear", "limit", "rules"]


def limit(instance_type: str, instances: int, *, zone: str = "*", home: Path | None = None) -> list[dict[str, Any]]:
    """From now on a zone has room for so many instances of a type (wildcards allowed in both); all rules.

    Starts the embedded cloud when it does not run. Raises UserError for what cannot be.
    """
    body = {"type": instance_type, "zone": zone, "instances": instances}
    rows: list[dict[str, Any]] = ask(client.ensure(home), "POST", "capacity", body)["capacity"]
    return rows


def rules(home: Path | None = None) -> list[dict[str, Any]]:
    """Every rule: `type`, `zone`, `instances`, and `used`: instances there are by zone and type.

    UserError when the embedded cloud is stopped: what it holds has the rules.
    """
    daemon = _holder(home)
    return ask(daemon, "GET", "capacity")["capacity"] if daemon else []


def clear(instance_type: str = "", *, zone: str = "", home: Path | None = None) -> int:
    """Remove the rules of exactly this type and zone, or all; how many. UserError as `rules`."""
    daemon = _holder(home)
    which = urlencode({key: value for key, value in (("type", instance_type), ("zone", zone)) if value})
    return int(ask(daemon, "DELETE", f"capacity?{which}")["removed"]) if daemon else 0


def _holder(home: Path | None) -> client.Daemon | None:
    """The running daemon; None when there is neither one nor anything that the last one left."""
    daemon = client.find(home)
    if daemon is None and client.kept(home):
        raise UserError(
            "the embedded cloud is stopped, and keeps its limits", hint="`dlcluster up` starts it", code=Exit.NOT_FOUND
        )
    return daemon
