"""Which cluster a command means: a file, a name, or the built-in one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dlcluster.cluster.state import Record
from dlcluster.config import ClusterConfig, default_cluster, load_cluster
from dlcluster.errors import UserError

DEFAULT_FILE = Path("cluster.yaml")


def select(file: Path | None, name: str | None, *, announce: bool = False) -> ClusterConfig:
    """The configuration to work on.

    In this order: the file given by -f; what `up` stored for the name given by -n or $DLCLUSTER_NAME; ./cluster.yaml;
    the built-in cluster. A name always replaces the name that a file holds.
    """
    name = name or os.environ.get("DLCLUSTER_NAME") or None
    path = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path and (file or not name):
        config = load_cluster(path)
    elif name and (stored := Record(name).config()):
        config = stored
    elif path:
        config = load_cluster(path)
    else:
        config = default_cluster()
        if announce:
            print(
                "no cluster.yaml here: using the built-in cluster (cloud: local, 1 head, "
                f"{config.workers.count} workers); `dlcluster init` writes one to edit",
                file=sys.stderr,
            )
    return config.with_name(name) if name and name != config.name else config


def naming(config: ClusterConfig) -> str:
    """What a command typed here needs to mean this cluster: '' when it would anyway, else ' -n NAME'."""
    try:
        plain = select(None, None).name
    except UserError:  # the file here is broken, and another one was used
        plain = ""
    return "" if plain == config.name else f" -n {config.name}"
