"""Which cluster a command means: a file, a name, or the built-in one."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from dlcluster.cli import hints
from dlcluster.cli.lines import say
from dlcluster.cluster.state import Record
from dlcluster.config import ClusterConfig, default_cluster, load_cluster
from dlcluster.errors import UserError

DEFAULT_FILE = Path("cluster.yaml")


def select(file: Path | None, name: str | None, *, announce: bool = False) -> ClusterConfig:
    """The configuration to work on; messages of this process name it from now on.

    In this order: the file given by -f; what `up` stored for the name given by -n or $DLCLUSTER_NAME; ./cluster.yaml;
    the built-in cluster. A name always replaces the name that a file holds.
    """
    config, found = _resolve(file, name)
    if announce and not found:
        say(
            "no cluster.yaml here: using the built-in cluster (cloud: local, 1 head, "
            f"{config.workers.count} workers); `dlcluster init` writes one to edit"
        )
    hints.remember(functools.partial(naming, config, file, name))
    return config


def _resolve(file: Path | None, name: str | None) -> tuple[ClusterConfig, bool]:
    """The configuration, and whether it is more than the built-in one."""
    name = name or os.environ.get("DLCLUSTER_NAME") or None
    path = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path and (file or not name):
        config = load_cluster(path)
    elif name and (stored := Record(name).config()):
        return stored, True
    elif path:
        config = load_cluster(path)
    else:
        config = default_cluster()
    return config.with_name(name) if name and name != config.name else config, path is not None


def naming(config: ClusterConfig, file: Path | None = None, name: str | None = None) -> str:
    """What a command typed here needs to mean this cluster, '' when it would anyway; file and name: as typed now."""
    if _means(config, lambda: _resolve(None, None)[0]):
        return ""
    if file and not _means(config, Record(config.name).config):  # `up` has not stored it: a name would not find it
        return f" -f {shlex.quote(str(file))}" + (f" -n {name}" if name else "")
    return f" -n {config.name}"


def _means(config: ClusterConfig, other: Callable[[], ClusterConfig | None]) -> bool:
    try:
        return other() == config
    except UserError:  # a file that is broken, and was not used
        return False
