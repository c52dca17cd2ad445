"""Faults of the embedded cloud, and its log of calls, from another process: see docs/faults.md."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dlcluster.errors import UserError
from dlcluster.local import client
from dlcluster.local.ask import ask, running

__all__ = ["add", "calls", "clear", "fault", "follow", "in_force"]

POLL_SECONDS = 0.3
_FAULTS, _CALLS = "faults", "calls"


def add(kind: str, *, home: Path | None = None, **which: Any) -> dict[str, Any]:
    """Let calls fail from now on, until `clear`; starts the embedded cloud when it does not run. Returns the fault.

    kind: throttle, internal, unavailable, lost, slow, capacity, quota, hidden, expired or error. `which` selects the
    calls: service, action, origin, region, instance_type, zone (wildcards allowed), nth, times, probability with
    seed, until (seconds since the epoch); and tells more of the fault: seconds, code, message, status.
    Raises UserError for what cannot be.
    """
    daemon = client.ensure(home)
    return ask(daemon, "POST", _FAULTS, {"kind": kind, "times": None, **which})


def in_force(home: Path | None = None) -> list[dict[str, Any]]:
    """Every fault that was added and not cleared, with its `hits`; `over`: it strikes no more."""
    daemon = client.find(home)
    return ask(daemon, "GET", _FAULTS)["faults"] if daemon else []


def clear(id: str | None = None, home: Path | None = None) -> int:
    """Remove one fault, or all; how many. Raises UserError for an id that does not exist."""
    daemon = client.find(home)
    if daemon is None:
        return 0
    return int(ask(daemon, "DELETE", f"{_FAULTS}/{id}" if id else _FAULTS)["removed"])


@contextmanager
def fault(kind: str, *, home: Path | None = None, **which: Any) -> Iterator[dict[str, Any]]:
    """A fault for the length of a `with` block."""
    added = add(kind, home=home, **which)
    try:
        yield added
    finally:
        clear(added["id"], home)


def calls(home: Path | None = None, **which: Any) -> list[dict[str, Any]]:
    """The calls of the log, oldest first. which: service, action, origin (wildcards), failed=True, limit."""
    return _log(running(home), which, 0)[0]


def follow(home: Path | None = None, **which: Any) -> Iterator[dict[str, Any]]:
    """The calls of the log, and those to come, until the embedded cloud ends."""
    daemon = client.find(home)
    after = 0
    while daemon is not None:
        try:
            rows, after = _log(daemon, which, after)
        except UserError:
            return
        yield from rows
        time.sleep(POLL_SECONDS)


def _log(daemon: client.Daemon, which: dict[str, Any], after: int) -> tuple[list[dict[str, Any]], int]:
    wanted = {name: int(value) if value is True else value for name, value in which.items() if value not in (None, "")}
    answer = ask(daemon, "GET", f"{_CALLS}?{urlencode({**wanted, 'after': after})}")
    return answer["calls"], answer["next"]
