"""All processes below one, however they were started; and how to be sure that none is left."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let orphans below this process become its children (Linux), so that a double fork does not escape."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """The living processes below `pid`, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for process, parent in _table():
        children.setdefault(parent, []).append(process)
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += below
    return found


def kill_descendants(seconds: float = 5.0) -> list[int]:
    """Kill everything below this process and wait for its end; returns what is still there afterwards."""
    deadline = time.monotonic() + seconds
    while True:
        _reap()
        left = descendants(os.getpid())
        if not left or time.monotonic() > deadline:
            return left
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _table() -> list[tuple[int, int]]:
    """(pid, parent) of every process that is not a zombie."""
    if not os.path.isdir("/proc/self"):
        text = subprocess.run(["ps", "-axo", "pid=,ppid=,state="], stdout=subprocess.PIPE, check=True).stdout.decode()
        rows = [line.split() for line in text.splitlines()]
        return [(int(pid), int(parent)) for pid, parent, state in rows if not state.startswith("Z")]
    table = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if state != "Z":
            table.append((int(name), int(parent)))
    return table
