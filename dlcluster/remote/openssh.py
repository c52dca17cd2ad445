"""Files for the user's own OpenSSH client, so that `ssh -F <config> worker-0` works with the same checked host keys."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dlcluster.remote.keys import KeyPair
from dlcluster.remote.ssh import Target

CONFIG, KNOWN_HOSTS = "ssh_config", "known_hosts"


def write_config(directory: Path, cluster: str, head: Target, workers: Sequence[Target], key: KeyPair) -> Path:
    """Write `ssh_config` and `known_hosts` (0600) into the directory; returns the path of the config.

    Nodes without a published host key are left out: they could only be reached unchecked.
    """
    targets = [target for target in (head, *workers) if target.host_key]
    known = "".join(f"{_alias(cluster, target)} {target.host_key}\n" for target in targets)
    _write(directory / KNOWN_HOSTS, known)
    blocks = [_common(directory, key), *(_host(cluster, target, head, directory / CONFIG) for target in targets)]
    _write(directory / CONFIG, "\n".join(blocks))
    return directory / CONFIG


def argv(config: Path, node: str, command: Sequence[str] = ()) -> list[str]:
    """The command line that opens a node in the user's OpenSSH client."""
    return ["ssh", "-F", str(config), node, *command]


def _alias(cluster: str, target: Target) -> str:
    # Addresses come back with other keys after the next `up`; names of a cluster's nodes do not mislead.
    return f"dlcluster-{cluster}-{target.name}"


def _common(directory: Path, key: KeyPair) -> str:
    lines = [
        "# Written by dlcluster; replaced whenever the nodes change.",
        "Host *",
        f"    IdentityFile {_quoted(key.path)}",
        f"    UserKnownHostsFile {_quoted(directory / KNOWN_HOSTS)}",
        "    GlobalKnownHostsFile /dev/null",
        "    IdentitiesOnly yes",
        "    StrictHostKeyChecking yes",
        "    HostKeyAlgorithms ssh-ed25519",
        "    UpdateHostKeys no",
        "    CheckHostIP no",
        "    GSSAPIAuthentication no",
        "    PasswordAuthentication no",
        "    ConnectTimeout 10",
        "    ServerAliveInterval 15",
        "",
    ]
    return "\n".join(lines)


def _host(cluster: str, target: Target, head: Target, config: Path) -> str:
    lines = [
        f"Host {target.name}",
        f"    HostName {target.host}",
        f"    Port {target.port}",
        f"    User {target.user}",
        f"    HostKeyAlias {_alias(cluster, target)}",
    ]
    if target != head:
        # What ProxyJump stands for, except that it does not quote the path of the configuration.
        path = shlex.quote(str(config.absolute())).replace("%", "%%")
        lines.append(f"    ProxyCommand ssh -F {path} -W [%h]:%p {head.name}")
    return "\n".join([*lines, ""])


def _quoted(path: Path) -> str:
    return '"' + str(path.absolute()).replace("%", "%%") + '"'


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(temporary, path)
