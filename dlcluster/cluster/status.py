"""`status`: what there is, what it does, what it costs. It reads the cloud, and asks the head only while a job runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dlcluster.cloud import fleet, stacks
from dlcluster.cloud.session import Session
from dlcluster.cloud.store import Store
from dlcluster.cluster.open import Gone, cluster_key, find_stack
from dlcluster.cluster.state import Record, known
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control, records
from dlcluster.jobs.cluster import Cluster
from dlcluster.stack import hourly_cost, total_cost


def status(config: ClusterConfig, *, jobs: bool = True) -> dict[str, Any] | Gone:
    """One cluster as plain data (the shape of `dlcluster status --json`), or why it is not there."""
    found = find_stack(config)
    if isinstance(found, Gone):
        return found
    live, stack = found
    nodes = fleet.nodes(live, config.name)
    bucket = stack.outputs.get("BucketName", "")
    return {
        "name": config.name,
        "cloud": config.cloud,
        "region": config.region,
        "state": _state(stack, nodes, 1 + config.workers.count),
        "stack": stack.status,
        "created": stack.created.astimezone(UTC).isoformat(timespec="seconds"),
        "usd_per_hour": _cost(config),
        "bucket": bucket,
        "nodes": [_node(node) for node in nodes],
        "jobs": _jobs(config, live, stack, nodes) if bucket and jobs else [],
    }


def overview() -> list[dict[str, Any]]:
    """One row for every cluster that this machine has made and not removed; `reason` where its state is unknown."""
    return [_row(record) for record in known() if record.read().get("config") and not record.removed]


def _row(record: Record) -> dict[str, Any]:
    """One cluster, also when nothing can be learned of it: the others are of interest all the same."""
    row = {"name": record.name, "cloud": "", "region": "", "state": "unknown", "nodes": 0, "usd_per_hour": None}
    try:
        config = record.config()
        assert config is not None, "asked of records that hold one"
        row |= {"cloud": config.cloud, "region": config.region}
        found = status(config, jobs=False)
    except UserError as error:
        return {**row, "reason": error.what}
    if isinstance(found, Gone):
        return {**row, "state": _absent(found), "usd_per_hour": 0.0}
    return {**row, "state": found["state"], "nodes": len(found["nodes"]), "usd_per_hour": _cost(config)}


def _absent(gone: Gone) -> str:
    return "stopped" if gone.stopped else "gone"


def _state(stack: stacks.Stack, nodes: list[fleet.Node], expected: int) -> str:
    """creating | ready | degraded | changing | failed: one word for the whole."""
    if stack.status.startswith("DELETE"):
        return "deleting"
    if "ROLLBACK" in stack.status and not stack.status.startswith("UPDATE"):
        return "failed"
    if stack.busy or stack.status == "REVIEW_IN_PROGRESS":
        return "creating" if stack.status.startswith(("CREATE", "REVIEW")) else "changing"
    ready = sum(node.state == "ready" for node in nodes)
    return "ready" if ready >= expected else "degraded"


def _cost(config: ClusterConfig) -> float | None:
    """USD an hour; 0 on the embedded cloud; None when a price is not known."""
    if config.cloud == "local":
        return 0.0
    return total_cost(hourly_cost(config))


def _jobs(config: ClusterConfig, live: Session, stack: stacks.Stack, nodes: list[fleet.Node]) -> list[dict[str, Any]]:
    store = Store(live, stack.outputs["BucketName"])
    found = records.listing(store)
    if all(record.state for record in found):
        return [_job(record, record.state) for record in found]
    states: dict[str, str] = {}
    try:
        cluster = Cluster(config.name, live, store, nodes, cluster_key(config, stack))
        with cluster.gateway() as gateway:
            states = control.states(found, gateway)
    except UserError:  # without the key, or without its head, a cluster still has a status
        pass
    return [_job(record, states.get(record.job.id) or record.state or "running") for record in found]


def _job(record: records.Record, state: str) -> dict[str, Any]:
    code = record.end["outcome"].get("exit_code") if record.end else None
    return {
        "id": record.job.id,
        "command": record.job.command,
        "created": record.job.created,
        "state": state,
        "exit_code": int(Exit.NODE_LOST) if state == "lost" else code,
    }


def _node(node: fleet.Node) -> dict[str, Any]:
    age = (datetime.now(UTC) - node.launch_time).total_seconds()
    return {
        "name": node.name,
        "role": node.role,
        "state": node.state,
        "reason": node.reason,
        "instance_id": node.instance_id,
        "instance_type": node.instance_type,
        "private_ip": node.private_ip,
        "public_ip": node.public_ip,
        "age_seconds": int(age),
    }
