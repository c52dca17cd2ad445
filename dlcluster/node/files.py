"""What lies where on a node, and who is alive: `~/.dlcluster/{bundles,jobs}`.

A job lives on a node for as long as somebody holds the lock on its `lock` file. The kernel drops the lock with the
process, so a process id that was given out again is never mistaken for a job.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import IO, Any


def home() -> str:
    """The directory of everything dlcluster keeps on a node."""
    return os.path.join(os.path.expanduser("~"), ".dlcluster")


def bundle_dir(sha256: str) -> str:
    return os.path.join(home(), "bundles", sha256)


def job_dir(job: str) -> str:
    return os.path.join(home(), "jobs", job)


def write_json(path: str, value: Any) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w") as file:
        json.dump(value, file)
    os.replace(temporary, path)


def read_json(path: str) -> Any:
    """The content of a JSON file, None when it is not there (yet)."""
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def take(path: str) -> IO[str]:
    """Lock a file for as long as the result stays open, in this process or in one that inherits it. Waits."""
    file = open(path, "a+")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def alive(job: str) -> bool:
    """Whether a supervisor of this job runs on this node."""
    try:
        with open(os.path.join(job_dir(job), "lock")) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def jobs() -> list[str]:
    """All jobs this node has heard of."""
    try:
        return sorted(os.listdir(os.path.join(home(), "jobs")))
    except FileNotFoundError:
        return []


def running_jobs() -> list[str]:
    """The jobs that keep this node busy: their supervisor lives and has not stored everything yet."""
    return [job for job in jobs() if alive(job) and (status(job) or {}).get("state") != "stored"]


def status(job: str) -> Any:
    """The job's status.json on this node, None before there is one."""
    return read_json(os.path.join(job_dir(job), "status.json"))


def tail(path: str, lines: int = 60, most: int = 1 << 16) -> list[str]:
    """The last lines of a log, [] when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
