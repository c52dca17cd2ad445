"""One rank of a job: what torchrun starts in place of the user's program, and which then runs it.

    python3 rank.py JOB_DIR PROGRAM [ARGS...]

Output goes to `logs/rank-<r>.log`; `ranks/<r>.json` tells how it went, so that the first failing rank of all nodes can
be named. Runs alone, without the other modules of this package.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

CODE = "code"  # in JOB_DIR: where the program runs; it appears when it is complete
GRACE = 0.3  # seconds a rank may still need to end by itself before a signal is passed on to it
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    directory, program = argv[0], argv[1:]
    rank = os.environ.get("RANK", "0")
    record: dict[str, Any] = {
        "rank": int(rank),
        "local_rank": int(os.environ.get("LOCAL_RANK", "0")),
        "attempt": int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")),
        "started": time.time(),
    }
    path = os.path.join(directory, "ranks", rank + ".json")
    log_path = os.path.join(directory, "logs", "rank-" + rank + ".log")
    with open(log_path, "ab", buffering=0) as log:
        try:
            child = _start(program, _await_code(directory), log)
        except OSError as error:
            log.write((f"cannot start {program[0]}: {error}\n").encode())
            _write(path, dict(record, ended=time.time(), exit_code=127, failed_at=time.time()))
            return 127
        _write(path, dict(record, pid=child.pid))
        code = child.wait()
    ended = time.time()
    exit_code = code if code >= 0 else 128 - code
    when = failed_at(exit_code, log_path, record["started"], ended)
    _write(path, dict(record, ended=ended, exit_code=exit_code, failed_at=when))
    return exit_code


def failed_at(exit_code: int, log_path: str, started: float, ended: float) -> float | None:
    """When a rank failed (None: it did not), comparable between ranks.

    A program that fails prints its traceback before its connections close, and only then do its peers notice and fail
    too. So the time of its last output tells cause from consequence; the time of its end does not, because an
    interpreter with torch in it takes long to end. A program that a signal killed has printed nothing.
    """
    if exit_code == 0:
        return None
    last_output = os.stat(log_path).st_mtime
    return last_output if exit_code < 128 and started < last_output < ended else ended


def die_with_parent(number: int) -> Callable[[], None]:
    """A function for a child between fork and exec: the kernel sends it this signal when its parent dies (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def ask() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask


def _await_code(directory: str) -> str:
    die_with_parent(signal.SIGTERM)()
    path = os.path.join(directory, CODE)
    while not os.path.isdir(path):  # the supervisor ends us if it never comes
        time.sleep(0.01)
    return path


def _start(program: list[str], directory: str, log: Any) -> subprocess.Popen[bytes]:
    python_path = os.environ.pop("DLCLUSTER_PYTHONPATH", None)
    if python_path is not None:
        os.environ["PYTHONPATH"] = python_path
    # A session of its own: torchrun signals our whole group, and the grace below would be none.
    child = subprocess.Popen(
        program,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    received = [signal.SIGTERM]

    def postpone(number: int, frame: Any) -> None:
        received[0] = signal.Signals(number)
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    def forward(number: int, frame: Any) -> None:
        child.send_signal(received[0])

    signal.signal(signal.SIGALRM, forward)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, postpone)
    return child


def _write(path: str, record: dict[str, Any]) -> None:
    with open(path + ".tmp", "w") as file:
        json.dump(record, file)
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
