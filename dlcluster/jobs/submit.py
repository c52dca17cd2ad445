"""Start a job: ship the code, start a supervisor on every node, all nodes in parallel, one call for each."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import bundle as bundles
from dlcluster.jobs import control, nodecode, records, unchanged
from dlcluster.jobs.bundle import Bundle
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Job
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.ssh import Gateway

PULL_TIMEOUT = 600.0
Progress = Callable[[str], None]


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
        bundle = _ship(cluster, request, progress)
        job = replace(job, bundle=bundle.sha256)
        records.save(cluster.store, job)
        url = cluster.store.url(bundle.key)
        for outcome in connecting.result():
            outcome.unwrap()
    progress(f"starting {job.id} on {len(cluster.workers)} workers")
    _start(cluster, gateway, job, url, request.parallel)
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


def _ship(cluster: Cluster, request: Request, progress: Progress) -> Bundle:
    """The bundle, in the cluster's bucket; neither packed nor uploaded when it is there already."""
    chosen = bundles.contents(request.root, request.script)
    look, memory = unchanged.look(chosen), cluster.key.path.with_name("bundle.json")
    bundle = look.recall(memory)
    if bundle and cluster.store.exists(bundle.key):
        progress(f"code unchanged ({_size(bundle)})")
        return bundle
    with tempfile.TemporaryDirectory(prefix="dlcluster-") as scratch:
        bundle = bundles.pack(request.root, Path(scratch), chosen)
        if cluster.store.exists(bundle.key):
            progress(f"code unchanged ({_size(bundle)})")
        else:
            progress(f"uploading the code ({_size(bundle)})")
            assert bundle.path
            cluster.store.put(bundle.key, bundle.path)
    look.keep(memory, bundle)
    return bundle


def _size(bundle: Bundle) -> str:
    return f"{bundle.files} files, {bundle.size / 1e6:.1f} MB"


def _start(cluster: Cluster, gateway: Gateway, job: Job, url: str, parallel: bool) -> None:
    """The head answers with its ports before it has fetched anything; the workers start while it goes on."""
    payload = {"url": url, "sha256": job.bundle, "parallel": parallel}
    spec = {**asdict(job), "token": secrets.token_hex(16)}
    try:
        head = gateway.connect()
        lines = nodecode.call(head, "pull", {**payload, "job": {**spec, "node": "head"}}, timeout=PULL_TIMEOUT)
        answers = iter(lines)
        first = _checked(job, "head", next(answers, None) or nodecode.silent(head, lines.stream))
        spec["ports"] = first["ports"]

        def pull(name: str) -> None:
            connection = gateway.connect(cluster.target(cluster.node(name)))
            answer = nodecode.ask(connection, "pull", {**payload, "job": {**spec, "node": name}}, timeout=PULL_TIMEOUT)
            _checked(job, name, answer)

        outcomes = fan_out(pull, [node.name for node in cluster.workers])
        _checked(job, "head", next(answers, None) or nodecode.silent(head, lines.stream))
        for outcome in outcomes:
            outcome.unwrap()
    except _Busy:
        cluster.store.delete(job.prefix)
        raise
    except BaseException:
        control.stop_everywhere(cluster, gateway, job.id)
        raise


class _Busy(UserError):
    pass


def _checked(job: Job, node: str, answer: dict[str, Any] | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        raise answer
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
