"""What a crash may leave: node directories, and processes should a daemon and its zygote die together."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path


def sweep(directory: Path) -> list[int]:
    """Kill processes of nodes that lived below directory and remove it; returns their process ids.

    They are known by NODE_ROOT in their environment. Without /proc only the files are removed.
    """
    killed = []
    mark = b"NODE_ROOT=" + os.fsencode(directory) + b"/"
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if any(item.startswith(mark) for item in environment.read_bytes().split(b"\0")):
                pid = int(environment.parent.name)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    shutil.rmtree(directory, ignore_errors=True)
    return killed
