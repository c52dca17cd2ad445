"""Ends jobs on this node and says which: {"stopped": [job, ...], "killed": [job, ...]}.

Payload: {"job": id or None for all, "seconds": patience for the ranks, "storing": patience for results on their way to
the bucket, which are never cut off in between}. Asking twice is harmless.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from . import files, processes


def main(payload: dict[str, Any]) -> int:
    asked = [job for job in files.running_jobs() if payload["job"] in (None, job)]
    pids = {job: _ask(job) for job in asked}
    asked_at = time.monotonic()
    killed: list[str] = []
    while waiting := [job for job in asked if job not in killed and files.alive(job)]:
        waited = time.monotonic() - asked_at
        for job in waiting:
            if waited > payload["seconds"] + (payload["storing"] if _storing(job) else 0):
                _kill(pids[job])
                killed.append(job)
        time.sleep(0.02)
    print(json.dumps({"stopped": asked, "killed": killed}), flush=True)
    return 0


def _storing(job: str) -> bool:
    """Whether the ranks have ended and only their results are on their way, or have just arrived."""
    return (files.status(job) or {}).get("state") in ("ended", "stored")


def _ask(job: str) -> int:
    directory = files.job_dir(job)
    with open(os.path.join(directory, "cancelled"), "w"):
        pass
    pid = _pid(os.path.join(directory, "lock"))
    if pid:
        os.kill(pid, signal.SIGTERM)
    return pid


def _pid(path: str) -> int:
    """The supervisor's process id; 0 if it has not come so far within a second."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        with open(path) as file:
            text = file.read()
        if text:
            return int(text)
        time.sleep(0.02)
    return 0


def _kill(pid: int) -> None:
    if not pid:
        return
    for process in [*processes.descendants(pid), pid]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
