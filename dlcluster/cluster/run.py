"""Run a command on chosen nodes at once, and prepare the user's own OpenSSH client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcluster.cloud.fleet import Node
from dlcluster.cluster.state import Record
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.remote import openssh
from dlcluster.remote.fanout import fan_out


@dataclass(frozen=True)
class Ran:
    """How a command ended on one node."""

    node: str
    exit_code: int
    stdout: str
    stderr: str


def choose(cluster: Cluster, wanted: Sequence[str]) -> list[Node]:
    """The nodes meant by names, `workers` and `all`, each once, in the cluster's order."""
    names = [node.name for node in cluster.nodes]
    for word in wanted:
        if word not in {"all", "workers", *names}:
            hint = f"its nodes: {_few(names)}"
            raise UserError(f"there is no node {word}", where=cluster.name, hint=hint, code=Exit.NOT_FOUND)
    return [
        node
        for node in cluster.nodes
        if "all" in wanted or node.name in wanted or ("workers" in wanted and node.role == "worker")
    ]


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ... {names[-1]}"


def run_on(cluster: Cluster, nodes: list[Node], argv: list[str], on_output: Callable[[str, bytes], None]) -> list[Ran]:
    """Run a command on the nodes in parallel; `on_output(node, chunk)` gets stdout as it comes, from many threads.

    One word is a shell line (`"nvidia-smi | head"`), several words are a command and its arguments.
    A node that cannot be reached ends with Exit.NODE_LOST and the reason on its stderr; the others go on.
    """
    command = ["bash", "-c", argv[0]] if len(argv) == 1 else argv

    def run(node: Node) -> Ran:
        stream = gateway.connect(cluster.target(node)).stream(command)
        chunks = []
        for chunk in stream:
            chunks.append(chunk)
            on_output(node.name, chunk)
        text = b"".join(chunks).decode(errors="replace")
        return Ran(node.name, stream.exit_code, text, stream.stderr.decode(errors="replace"))

    with cluster.gateway() as gateway:
        outcomes = fan_out(run, nodes)
    for outcome in outcomes:
        if outcome.error and not isinstance(outcome.error, UserError):
            raise outcome.error
    return [
        outcome.value or Ran(outcome.item.name, int(getattr(outcome.error, "code", 1)), "", f"{outcome.error}\n")
        for outcome in outcomes
    ]


def ssh_argv(cluster: Cluster, node: str) -> list[str]:
    """The command line that opens a shell on a node in OpenSSH, with this cluster's key and checked host keys."""
    choose(cluster, [node])
    head, *workers = [cluster.target(each) for each in cluster.nodes]
    config: Path = openssh.write_config(Record(cluster.name).directory, cluster.name, head, workers, cluster.key)
    return openssh.argv(config, node)
