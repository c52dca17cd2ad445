"""Wait for nodes to say that they are ready, then meet each of them over SSH with its own host key."""

from __future__ import annotations

import time

from dlcluster.cloud import fleet
from dlcluster.cloud.fleet import Node
from dlcluster.cloud.session import Session
from dlcluster.cluster.report import Reporter
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.remote.fanout import fan_out

# From "the stack is complete" to "every node said ready": seconds.
PATIENCE = {"local": 120, "aws": 1200}


def wait_until_ready(session: Session, config: ClusterConfig, reporter: Reporter) -> list[Node]:
    """All nodes of the cluster, each `ready`. UserError FAILED names the nodes that failed or never came."""
    total = 1 + config.workers.count
    reporter.step(f"waiting for {total} nodes")
    deadline = time.monotonic() + PATIENCE[config.cloud]
    while True:
        nodes = fleet.nodes(session, config.name)
        failed = [node for node in nodes if node.state == "failed"]
        if failed:
            raise UserError(
                "\n".join(f"{node.name} ({node.instance_id}) failed to boot: {node.reason}" for node in failed),
                where=config.name,
                hint=f"look around with `dlcluster ssh {failed[0].name}`; a node that runs is not set up again, "
                "but `dlcluster down` and `dlcluster up` make all of them anew",
                code=Exit.FAILED,
            )
        waiting = [node for node in nodes if node.state != "ready"]
        ready = len(nodes) - len(waiting)
        reporter.nodes(ready, total, [f"{node.name} {node.state}" for node in waiting])
        if ready >= total and not waiting:
            return nodes
        if time.monotonic() > deadline:
            missing = [f"{node.name} ({node.instance_id}) is {node.state}" for node in waiting]
            missing += [f"{total - len(nodes)} node(s) never appeared"] if len(nodes) < total else []
            raise UserError(
                f"not ready after {PATIENCE[config.cloud]} s: " + "; ".join(missing),
                where=config.name,
                hint="`dlcluster up` waits again; `dlcluster status` shows the nodes; `dlcluster down` removes all",
                code=Exit.FAILED,
            )
        time.sleep(session.poll)


def verify(cluster: Cluster, reporter: Reporter) -> None:
    """Log in on every node, all at once; the host key of each must be the one it published."""
    reporter.step("verifying the nodes over SSH")
    with cluster.gateway() as gateway:
        outcomes = fan_out(lambda node: gateway.connect(cluster.target(node)).run(["true"]), cluster.nodes)
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
        if outcome.value and outcome.value.exit_code:
            raise UserError(
                f"{outcome.item.name} runs no commands: {outcome.value.stderr.decode(errors='replace').strip()}",
                where=cluster.name,
                code=Exit.NODE_LOST,
            )
