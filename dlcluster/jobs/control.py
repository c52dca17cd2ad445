"""Look at jobs and end them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import nodecode, records
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Record
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.ssh import Gateway

PATIENCE = 20.0  # seconds: a supervisor needs 10 to end its ranks, then comes the knife
STORING = 3600.0  # seconds, in addition, for results that are on their way to the bucket


@dataclass(frozen=True)
class Stopped:
    """What a stop did. jobs: job to the nodes where it ran; killed: nodes that needed force; unreached: node to why."""

    jobs: dict[str, list[str]]
    killed: list[str]
    unreached: dict[str, str]


def stop_everywhere(cluster: Cluster, gateway: Gateway, job: str | None, *, but: str = "") -> Stopped:
    """End a job (None: every job) on all nodes that can be reached, in parallel; says what it ended. Never raises.

    but: the id of an instance that is known to be gone.
    """
    payload = {"job": job, "seconds": PATIENCE, "storing": STORING}
    limit = PATIENCE + STORING + 20
    outcomes = fan_out(
        lambda node: nodecode.ask(gateway.connect(cluster.target(node)), "stop", payload, timeout=limit),
        [node for node in cluster.nodes if node.instance_id != but],
    )
    jobs: dict[str, list[str]] = {}
    killed, unreached = [], {}
    for outcome in outcomes:
        name = outcome.item.name
        if outcome.value is None:
            unreached[name] = outcome.error.what if isinstance(outcome.error, UserError) else str(outcome.error)
            continue
        for each in outcome.value["stopped"]:
            jobs.setdefault(each, []).append(name)
        if outcome.value["killed"]:
            killed.append(name)
    return Stopped(jobs, killed, unreached)


def cancel(cluster: Cluster, gateway: Gateway, job: str | None = None) -> Stopped:
    """End a job, or all that run; harmless when none does. UserError NOT_FOUND for a job that never was."""
    if job is not None:
        records.load(cluster.store, job)
    return stop_everywhere(cluster, gateway, job)


@dataclass(frozen=True)
class Summary:
    """A job and how it stands: state is running | succeeded | failed | cancelled | lost | storing | waiting."""

    record: Record
    state: str
    status: dict[str, Any] | None


def jobs(cluster: Cluster, gateway: Gateway | None) -> list[Summary]:
    """Every job of the cluster, the newest first. Without a gateway only what the bucket knows."""
    live = nodecode.ask(gateway.connect(), "look", {}) if gateway else {"running": [], "status": {}}
    return [_summary(record, live) for record in records.listing(cluster.store)]


def states(found: list[Record], gateway: Gateway) -> dict[str, str]:
    """How jobs of the bucket stand, as the head says it."""
    live = nodecode.ask(gateway.connect(), "look", {})
    return {record.job.id: _summary(record, live).state for record in found}


def find(cluster: Cluster, gateway: Gateway, job: str | None) -> Summary:
    """One job, by default the newest. UserError NOT_FOUND when there is none."""
    found = jobs(cluster, gateway)
    for summary in found:
        if job in (None, summary.record.job.id):
            return summary
    what = f"there is no job {job}" if job else "no job has been started yet"
    known = ", ".join(summary.record.job.id for summary in found[:5])
    hint = f"the latest jobs: {known}" if known else "start one with: dlcluster train"
    raise UserError(what, where=cluster.name, hint=hint, code=Exit.NOT_FOUND)


def _summary(record: Record, live: dict[str, Any]) -> Summary:
    job = record.job.id
    status = live["status"].get(job) or record.end
    if record.state:
        return Summary(record, record.state, record.end)
    if job in live["running"]:
        state = (status or {}).get("state", "waiting")
        return Summary(record, {"ended": "storing", "stored": "storing"}.get(state, state), status)
    outcome = (status or {}).get("outcome")  # it ended, and the bucket could not be written
    return Summary(record, outcome["state"] if outcome else "lost", status)
