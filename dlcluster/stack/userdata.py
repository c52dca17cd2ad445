"""The script that a node runs at its first boot: a header by role, then the same text for every node."""

from __future__ import annotations

import re
from importlib import resources

from troposphere import Sub

from dlcluster.config import ClusterConfig

LIMIT = 16 * 1024
"""EC2 takes 16 KB of user data, counted before base64."""

_CLUSTER_LINE = "export DLCLUSTER_CLUSTER=${ClusterName}"


def user_data(config: ClusterConfig, role: str) -> str:
    """What a node of the role ('head' or 'worker') is given: the text that the template yields."""
    header = [_CLUSTER_LINE.replace("${ClusterName}", config.name), *_role_lines(role)]
    return "\n".join(["#!/bin/bash", *header, boot_script(config)])


def boot_header(role: str) -> list[str | Sub]:
    """The first lines of the template's user data."""
    return ["#!/bin/bash", Sub(_CLUSTER_LINE), *_role_lines(role)]


def _role_lines(role: str) -> list[str]:
    return [f"export DLCLUSTER_ROLE={role}"]


def boot_script(config: ClusterConfig) -> str:
    """bootstrap.sh with the agent, the user's setup lines and the Python of the image in their places."""
    node = resources.files("dlcluster.node")
    parts = {
        "@PYTHON@": config.node_python,
        "@SETUP@": "\n".join(config.setup),
        "@AGENT@": node.joinpath("agent.py").read_text(encoding="utf-8").rstrip("\n"),
    }
    script = node.joinpath("bootstrap.sh").read_text(encoding="utf-8").removeprefix("#!/bin/bash\n")
    return re.sub("|".join(parts), lambda place: parts[place.group()], script)
