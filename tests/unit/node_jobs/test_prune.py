"""Old jobs and bundles leave a node, unless something of them is nowhere else."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from dlcluster.node import files, prune

GOOD = {"state": "stored", "stored": {"files": 2, "error": ""}}


@pytest.fixture
def node(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".dlcluster"


@pytest.fixture
def add(node):
    """Adds a job; the first one is the oldest."""
    times = iter(range(1000, 2000))

    def add(job: str, bundle: str, status: object = GOOD) -> str:
        when = next(times)
        original = node / "bundles" / bundle
        if not original.exists():
            (original / "code").mkdir(parents=True)
            (original / "code" / "train.py").write_text("print()")
        os.utime(original, (when, when))
        path = node / "jobs" / job
        path.mkdir(parents=True)
        shutil.copytree(original / "code", path / "code")
        (path / "job.json").write_text(json.dumps({"id": job, "bundle": bundle}))
        (path / "status.json").write_text(json.dumps(status))
        (path / "lock").touch()
        os.utime(path, (when, when))
        return job

    return add


def left(node):
    return sorted(path.name for path in (node / "jobs").iterdir())


def test_all_but_the_newest_jobs_go_with_the_bundles_that_only_they_used(node, add):
    for number in range(5):
        add(f"job-{number}", f"bundle-{number}")
    assert sorted(prune.prune(2, 1)) == ["bundle-0", "bundle-1", "bundle-2", "job-0", "job-1", "job-2"]
    assert left(node) == ["job-3", "job-4"]
    assert sorted(path.name for path in (node / "bundles").iterdir()) == ["bundle-3", "bundle-4"]


@pytest.mark.parametrize(
    "status",
    [
        {"state": "running"},
        {"state": "ended"},
        {"state": "stored", "stored": {"files": 0, "error": "no network"}},
        {"state": "stored", "stored": {"errors": {"worker-0": "no network"}}},
        None,
    ],
)
def test_a_job_whose_results_are_not_all_in_the_bucket_stays(node, add, status):
    add("old", "bundle", status)
    add("new", "bundle")
    assert prune.prune(1, 1) == []
    assert left(node) == ["new", "old"]


@pytest.mark.parametrize("name", ["train.py", "checkpoints/step-1.pt"])
def test_a_job_that_left_or_changed_files_beside_its_code_stays(node, add, name):
    add("old", "bundle")
    path = node / "jobs" / "old" / "code" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("weights")
    add("new", "bundle")
    prune.prune(1, 1)
    assert left(node) == ["new", "old"]


def test_compiled_python_beside_the_code_keeps_no_job(node, add):
    add("old", "bundle")
    (node / "jobs" / "old" / "code" / "__pycache__").mkdir()
    (node / "jobs" / "old" / "code" / "__pycache__" / "train.pyc").touch()
    add("new", "bundle")
    assert prune.prune(1, 1) == ["old"]


def test_a_running_job_stays_and_one_that_starts_keeps_every_bundle(node, add):
    add("running", "bundle-0")
    add("new", "bundle-1")
    starting = node / "jobs" / "starting"
    starting.mkdir()
    with files.take(str(node / "jobs" / "running" / "lock")), files.take(str(starting / "lock")):
        assert prune.prune(1, 0) == ["new"]
    assert left(node) == ["running", "starting"]
    assert sorted(path.name for path in (node / "bundles").iterdir()) == ["bundle-0", "bundle-1"]


def test_a_node_without_jobs_has_nothing_to_prune(node):
    node.mkdir()
    assert prune.prune() == []
