"""Results of jobs: fetched once to this machine, so that removing a cluster loses nothing."""

from __future__ import annotations

from pathlib import Path

from dlcluster.cloud.store import Store
from dlcluster.jobs import records
from dlcluster.jobs.records import Job
from dlcluster.jobs.results import fetch_outputs

FETCHED = "fetched"  # jobs/<id>/fetched: some machine holds the results


def fetch(store: Store, job: Job, directory: Path) -> list[Path]:
    """Download a job's results into directory/<job id> and note in the bucket that they are safe."""
    paths = fetch_outputs(store, job, directory / job.id)
    store.put(job.prefix + FETCHED, b"")
    return paths


def fetch_missing(store: Store, directory: Path) -> list[Path]:
    """Download the results of every job that no machine has fetched; returns the directories."""
    jobs = [record.job for record in records.listing(store)]
    missing = [job for job in jobs if not store.exists(job.prefix + FETCHED)]
    return [directory / job.id for job in missing if fetch(store, job, directory)]
