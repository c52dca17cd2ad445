"""What a job has left: its logs and output files, from the nodes while it runs, afterwards from the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from dlcluster.cloud.store import Store
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Job
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.ssh import Gateway


def fetch_outputs(store: Store, job: Job, directory: Path) -> list[Path]:
    """Download what rank 0 wrote to DLCLUSTER_OUTPUT_DIR; returns the files, sorted. They appear when complete."""
    prefix = job.prefix + "output/"

    def fetch(key: str) -> Path:
        path = directory / key.removeprefix(prefix)
        if not path.resolve().is_relative_to(directory.resolve()):
            raise UserError(f"refused to write outside of {directory}: {key}", where=job.id)
        store.download(key, path)
        return path

    return [outcome.unwrap() for outcome in fan_out(fetch, store.keys(prefix), limit=8)]


def stored_log(store: Store, job: Job, writer: BinaryIO, *, rank: int = 0) -> None:
    """Copy a rank's log from the bucket. UserError NOT_FOUND when the bucket has none."""
    keys = [key for key in store.keys(job.prefix + "logs/") if key.endswith(f"/rank-{rank}.log")]
    if not keys:
        raise _no_log(job, rank, "the job never started it")
    for key in keys:
        writer.write(store.get(key))
    writer.flush()


def live_log(
    cluster: Cluster, gateway: Gateway, job: Job, writer: BinaryIO, *, rank: int = 0, running: bool = True
) -> None:
    """Copy what a rank has printed so far, from the nodes. UserError NOT_FOUND when no node has run that rank."""
    command = ["cat", f".dlcluster/jobs/{job.id}/logs/rank-{rank}.log"]
    outcomes = fan_out(lambda node: gateway.connect(cluster.target(node)).run(command), cluster.workers)
    found = [outcome.value.stdout for outcome in outcomes if outcome.value and outcome.value.exit_code == 0]
    if not found:
        waits = "the job has not started it; this waits for its output: dlcluster logs -f"
        raise _no_log(job, rank, waits if running else "the nodes that ran the job may have been replaced")
    for text in found:
        writer.write(text)
    writer.flush()


def _no_log(job: Job, rank: int, hint: str) -> UserError:
    return UserError(f"there is no output of rank {rank}", where=job.id, hint=hint, code=Exit.NOT_FOUND)
