"""Start a job: ship the code, start a supervisor on every node, all nodes in parallel, one call for each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control, nodecode, records
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Job
from dlcluster.jobs.ship import Code, Progress
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.ssh import Gateway

if TYPE_CHECKING:
    from dlcluster.cloud.fleet import Node

PULL_TIMEOUT = 600.0


@dataclass(frozen=True)
class Request:
    """What to run. root and script as `bundle.locate` returns them; processes: per node, default one per GPU, else one.

    parallel: start although another job runs. name: what the job's id begins with, default from the script.
    """

    root: Path
    script: str
    args: list[str] = field(default_factory=list)
    processes: int | None = None
    max_restarts: int = 0
    python: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    parallel: bool = False
    name: str = ""


def submit(cluster: Cluster, gateway: Gateway, request: Request, progress: Progress = lambda text: None) -> Job:
    """Start a job on all workers and return its record; it runs on without this process.

    UserError: UNAVAILABLE when another job runs, NODE_LOST when a node cannot be reached or cannot start it (the others
    are stopped again), and what `bundle.build` raises.
    """
    if not cluster.workers:
        raise UserError("the cluster has no workers", where=cluster.name, hint="see: dlcluster status")
    job = _job(cluster, request)
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(fan_out, lambda node: gateway.connect(cluster.target(node)), cluster.nodes)
        code = Code(cluster, request.root, request.script, progress)
        for outcome in connecting.result():
            outcome.unwrap()
    job = replace(job, bundle=code.bundle.sha256)
    progress(f"starting {job.id} on {len(cluster.workers)} workers")
    _start(cluster, gateway, job, code, request.parallel)
    return job


def _job(cluster: Cluster, request: Request) -> Job:
    return Job(
        id=records.new_id(f"{request.name}.py" if request.name else f"{request.root.name}/{request.script}"),
        cluster=cluster.name,
        script=request.script,
        args=request.args,
        nodes={node.name: node.private_ip for node in [cluster.head, *cluster.workers]},
        instances={node.name: node.instance_id for node in [cluster.head, *cluster.workers]},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        bucket=cluster.store.bucket,
        python=request.python,
        processes=request.processes,
        max_restarts=request.max_restarts,
        env=request.env,
        limits=request.limits,
    )


def _start(cluster: Cluster, gateway: Gateway, job: Job, code: Code, parallel: bool) -> None:
    """Start the job on every node and write its record; on an error, what has started is stopped again.

    The head answers with its ports before it has fetched anything; the workers start while it goes on.
    """
    spec = {**asdict(job), "token": secrets.token_hex(16)}

    def pull(node: Node) -> Iterator[dict[str, Any]]:
        payload = {"job": {**spec, "node": node.name}, "sha256": job.bundle, "parallel": parallel, "url": code.url}
        connection = gateway.connect(cluster.target(node))
        for answer in nodecode.answers(connection, "pull", payload, timeout=PULL_TIMEOUT):
            if "wanted" in answer:
                payload["url"] = code.wanted()
                yield from nodecode.answers(connection, "pull", payload, timeout=PULL_TIMEOUT)
            else:
                yield answer

    def started(node: Node) -> None:
        for answer in pull(node):
            _checked(job, node.name, answer)

    head = pull(cluster.head)
    try:
        spec["ports"] = _checked(job, "head", next(head))["ports"]
        outcomes = fan_out(started, cluster.workers)
        _checked(job, "head", next(head, {"error": "its python3 ended early"}))
        for outcome in outcomes:
            outcome.unwrap()
        # The record comes last: its S3 client takes a while to load, which in a thread would hold up the calls.
        records.save(cluster.store, job)
    except BaseException as error:
        control.stop_everywhere(cluster, gateway, job.id)
        if isinstance(error, _Busy):
            cluster.store.delete(job.prefix)
        raise


class _Busy(UserError):
    pass


def _checked(job: Job, node: str, answer: dict[str, Any]) -> dict[str, Any]:
    if "busy" in answer:
        running = ", ".join(answer["busy"])
        raise _Busy(
            f"a job is running already: {running}",
            where=node,
            hint=f"end it with: dlcluster cancel {answer['busy'][0]}; or watch it with: dlcluster logs -f",
            code=Exit.UNAVAILABLE,
        )
    if "error" in answer:
        raise UserError(f"cannot start {job.id}: {answer['error']}", where=node, code=Exit.NODE_LOST)
    return answer
