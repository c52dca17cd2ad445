"""From a cluster file to a ClusterConfig, or to one error that names every mistake with its line."""

from __future__ import annotations

from pathlib import Path

from dlcluster.config.explain import read
from dlcluster.config.model import ClusterConfig
from dlcluster.errors import UserError


def load_cluster(path: str | Path) -> ClusterConfig:
    """Read a cluster file.

    UserError (exit code 2) when it cannot be read or is not a valid cluster file: `where` is file:line:column of
    the first mistake, and every mistake is told.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"cannot read the cluster file: {reason}", where=str(path), hint=_INIT_HINT) from None
    return parse_cluster(text, str(path))


_INIT_HINT = "`dlcluster init` writes one to start from"


def parse_cluster(text: str, filename: str = "cluster.yaml") -> ClusterConfig:
    """A ClusterConfig from YAML text; `filename` is for the messages of the UserError."""
    return read(ClusterConfig, text, filename)[0]


def default_cluster(name: str = "default") -> ClusterConfig:
    """The cluster that is used when there is no file: on the embedded cloud, one head and two workers."""
    return ClusterConfig().with_name(name)
