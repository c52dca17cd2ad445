"""Keeps a node's disk from filling up: old jobs whose results are in the bucket, and bundles that no job here uses.

A job stays as long as it is among the newest, runs, has results that did not reach the bucket, or has left files beside
its code that are in no bucket (a checkpoint, say): what a user may still want is never removed.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from . import files

KEEP_JOBS = 10
KEEP_BUNDLES = 3


def prune(keep_jobs: int = KEEP_JOBS, keep_bundles: int = KEEP_BUNDLES) -> list[str]:
    """Remove what is not needed; returns the names of the removed jobs and bundles."""
    with files.take(os.path.join(files.home(), "submit.lock")):  # no job claims its place meanwhile
        jobs = _newest_first(os.path.join(files.home(), "jobs"))
        removed = [job for job in jobs[keep_jobs:] if _is_done_with(job)]
        for job in removed:
            shutil.rmtree(files.job_dir(job), ignore_errors=True)
        specs = {job: _spec(job) for job in jobs if job not in removed}
        if any(spec is None and files.alive(job) for job, spec in specs.items()):
            return removed  # one is starting and has not written which bundle it uses
        used = {spec["bundle"] for spec in specs.values() if spec}
        bundles = [name for name in _newest_first(os.path.join(files.home(), "bundles")) if not name.startswith(".")]
        old = [name for name in bundles[keep_bundles:] if name not in used]
        for name in old:
            shutil.rmtree(files.bundle_dir(name), ignore_errors=True)
        return removed + old


def _is_done_with(job: str) -> bool:
    status = files.status(job)
    if files.alive(job) or not status or status.get("state") != "stored":
        return False
    return not _errors(status["stored"]) and not _left_beside_its_code(job)


def _spec(job: str) -> Any:
    return files.read_json(os.path.join(files.job_dir(job), "job.json"))


def _errors(stored: dict[str, Any]) -> Any:
    """A worker tells one error, the head one for each node."""
    return stored.get("error") or stored.get("errors")


def _left_beside_its_code(job: str) -> bool:
    """Whether the job's copy of the code holds files that the bundle has not, or has otherwise; True when unknown."""
    spec = _spec(job)
    original = os.path.join(files.bundle_dir(spec["bundle"]), "code") if spec else ""
    copy = os.path.join(files.job_dir(job), "code")
    if not os.path.isdir(original):
        return os.path.isdir(copy)
    for parent, directories, names in os.walk(copy):
        if "__pycache__" in directories:
            directories.remove("__pycache__")
        for name in names:
            path = os.path.join(parent, name)
            twin = os.path.join(original, os.path.relpath(path, copy))
            if not os.path.lexists(twin) or _seen(twin) != _seen(path):
                return True
    return False


def _seen(path: str) -> tuple[int, int]:
    found = os.lstat(path)  # a copy keeps the time of the original
    return found.st_size, found.st_mtime_ns


def _newest_first(directory: str) -> list[str]:
    try:
        found = list(os.scandir(directory))
    except FileNotFoundError:
        return []
    return [entry.name for entry in sorted(found, key=lambda entry: entry.stat().st_mtime, reverse=True)]
