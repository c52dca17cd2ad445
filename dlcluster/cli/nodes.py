"""`dlcluster exec` and `dlcluster ssh` on the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from dlcluster.cli.guard import print_json
from dlcluster.cli.select import select
from dlcluster.cluster.open import open_cluster
from dlcluster.cluster.run import choose, run_on, ssh_argv
from dlcluster.errors import Exit, UserError


class _Lines:
    """Whole lines from many nodes, each behind the name of its node; a single node's bytes pass unchanged."""

    def __init__(self, names: list[str]) -> None:
        self._rest = dict.fromkeys(names, b"")
        self._plain = len(names) == 1
        self._width = max(map(len, names))
        self._lock = threading.Lock()

    def __call__(self, name: str, chunk: bytes) -> None:
        if self._plain:
            self._write(chunk)
            return
        *lines, self._rest[name] = (self._rest[name] + chunk).split(b"\n")
        self._write(b"".join(self._prefixed(name, line) for line in lines))

    def finish(self, name: str) -> None:
        if rest := self._rest[name]:
            self._write(self._prefixed(name, rest))

    def _prefixed(self, name: str, line: bytes) -> bytes:
        return f"{name:<{self._width}} | ".encode() + line + b"\n"

    def _write(self, data: bytes) -> None:
        with self._lock:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def run_exec(file: Path | None, name: str | None, wanted: list[str], argv: list[str], json_: bool) -> int:
    """Run a command on nodes; the highest exit code of all is ours."""
    cluster = open_cluster(select(file, name))
    nodes = choose(cluster, wanted)
    lines = _Lines([node.name for node in nodes])
    results = run_on(cluster, nodes, argv, (lambda node, chunk: None) if json_ else lines)
    if json_:
        print_json([asdict(result) for result in results])
    else:
        for result in results:
            lines.finish(result.node)
            for line in result.stderr.splitlines():
                print(f"{result.node}: {line}" if len(nodes) > 1 else line, file=sys.stderr)
            if result.exit_code and len(nodes) > 1:
                print(f"{result.node}: exit code {result.exit_code}", file=sys.stderr)
    return max(result.exit_code for result in results)


def run_ssh(file: Path | None, name: str | None, node: str) -> int:
    """Replace this process by the OpenSSH client."""
    if not shutil.which("ssh"):
        raise UserError(
            "there is no `ssh` command on this machine",
            hint="install OpenSSH (Debian, Ubuntu: apt-get install openssh-client), or use dlcluster exec",
            code=Exit.NOT_FOUND,
        )
    argv = ssh_argv(open_cluster(select(file, name)), node)
    sys.stdout.flush()
    os.execvp(argv[0], argv)
