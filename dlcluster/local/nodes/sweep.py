"""What a crash may leave: processes should a daemon and its zygote die together, and directories nobody knows."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def sweep(directory: Path, keep: Collection[str] = ()) -> list[int]:
    """Kill processes of nodes that lived below directory, and remove all of it but `keep`; returns their process ids.

    Processes are known by NODE_ROOT in their environment. Without /proc only the files are removed.
    """
    killed = []
    mark = b"NODE_ROOT=" + os.fsencode(directory) + b"/"
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if any(item.startswith(mark) for item in environment.read_bytes().split(b"\0")):
                pid = int(environment.parent.name)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    for node in directory.glob("*"):
        if node.name not in keep:
            shutil.rmtree(node, ignore_errors=True)
    return killed
