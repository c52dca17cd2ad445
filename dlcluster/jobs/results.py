"""What a job has left: its logs and output files, from the nodes while it runs, afterwards from the bucket."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.records import Job
from dlcluster.remote.fanout import fan_out


def fetch_outputs(cluster: Cluster, job: Job, directory: Path) -> list[Path]:
    """Download what rank 0 wrote to DLCLUSTER_OUTPUT_DIR; returns the files, sorted. They appear when complete."""
    prefix = job.prefix + "output/"

    def fetch(key: str) -> Path:
        path = directory / key.removeprefix(prefix)
        if not path.resolve().is_relative_to(directory.resolve()):
            raise UserError(f"refused to write outside of {directory}: {key}", where=job.id)
        cluster.store.download(key, path)
        return path

    return [outcome.unwrap() for outcome in fan_out(fetch, cluster.store.keys(prefix), limit=8)]


def stored_log(cluster: Cluster, job: Job, writer: BinaryIO, *, rank: int = 0) -> None:
    """Copy a rank's log from the bucket. UserError NOT_FOUND when the bucket has none."""
    keys = [key for key in cluster.store.keys(job.prefix + "logs/") if key.endswith(f"/rank-{rank}.log")]
    if not keys:
        raise UserError(
            f"no log of rank {rank} is stored", where=job.id, hint="the job never started it", code=Exit.NOT_FOUND
        )
    for key in keys:
        writer.write(cluster.store.get(key))
    writer.flush()
