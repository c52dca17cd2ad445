"""Spot interruptions on the embedded cloud, from another process."""

from __future__ import annotations

from pathlib import Path

from dlcluster.errors import UserError
from dlcluster.local.ask import ask, running

NOTICE_SECONDS = 120.0  # as on AWS


def interrupt(instance_id: str, seconds: float = NOTICE_SECONDS, home: Path | None = None) -> None:
    """Tell a running spot instance by its metadata that it ends, and end it `seconds` later.

    Raises UserError for an instance that is not spot or does not run.
    """
    try:
        ask(running(home), "POST", "interruptions", {"instance": instance_id, "seconds": seconds})
    except UserError as error:
        if error.where == "interruptions":  # the cloud's own refusal
            error.where = instance_id
            if "Spot" in error.what:
                error.hint = "only spot instances are taken back: `spot: true` below `workers`"
        raise
