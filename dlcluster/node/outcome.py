"""What became of a job: decided once, on the head, from the ends of all its nodes. Pure functions.

The end of a node: {"exit_code": of torchrun, "stopped": why or "", "failure": None or {"rank", "exit_code", "at",
"log"}}. A node that vanished: {"lost": reason, "at": time}.
"""

from __future__ import annotations

import signal
from typing import Any

TERMINATED = 128 + signal.SIGTERM


def first_failure(ranks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The rank record that failed first in the last attempt; ranks that were only told to end come last."""
    last = max((rank["attempt"] for rank in ranks), default=0)
    failed = [rank for rank in ranks if rank["attempt"] == last and rank.get("exit_code")]
    return min(failed, key=lambda rank: (rank["exit_code"] == TERMINATED, rank["failed_at"]), default=None)


def decide(ends: dict[str, dict[str, Any]], cancelled: bool) -> dict[str, Any]:
    """{"state": succeeded|failed|cancelled|lost, "exit_code", "failure": {"node", "rank", ...} or None}."""
    lost = {node: end["lost"] for node, end in ends.items() if "lost" in end}
    if cancelled or any(end.get("stopped") == "cancelled" for end in ends.values()):
        return {"state": "cancelled", "exit_code": TERMINATED, "failure": None}
    if lost:
        node = min(lost, key=lambda name: float(ends[name]["at"]))
        return {"state": "lost", "exit_code": 1, "failure": {"node": node, "rank": None, "reason": lost[node]}}
    failures = [dict(end["failure"], node=node) for node, end in ends.items() if end.get("failure")]
    if failures:
        first = min(failures, key=_order)
        return {"state": "failed", "exit_code": first["exit_code"], "failure": first}
    if any(end["exit_code"] or end["stopped"] for end in ends.values()):  # told to stop, though nobody has failed
        return {"state": "cancelled", "exit_code": TERMINATED, "failure": None}
    return {"state": "succeeded", "exit_code": 0, "failure": None}


def _order(failure: dict[str, Any]) -> tuple[bool, bool, bool, float]:
    """The head's rendezvous, then a rank that failed by itself, one that was told to end, a launcher without ranks."""
    return failure["node"] != "head", failure["rank"] is None, failure["exit_code"] == TERMINATED, failure["at"]
