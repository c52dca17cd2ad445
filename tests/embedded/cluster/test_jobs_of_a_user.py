"""What a user sees of jobs: output, failures, detaching, cancelling, and nothing left running."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

pytestmark = pytest.mark.xdist_group("jobs-of-a-user")

RANKS = """
import os, sys
rank, world = os.environ["RANK"], os.environ["WORLD_SIZE"]
print("rank", rank, "of", world, "got", sys.argv[1:], os.environ.get("COLOR"), flush=True)
"""
FAILS = """
import os, sys, time
if os.environ["RANK"] == "1":
    def inner(): raise ValueError("the reason of it all")
    try:
        inner()
    except ValueError:
        import traceback; traceback.print_exc(); sys.exit(3)
time.sleep(60)
"""
SLEEPS = """
import os, time
for i in range(600):
    print("tick", i, os.getpid(), flush=True)
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def ranked(cluster):
    """One small job for several looks: it was started twice, and then with --json."""
    cluster.write("ranks.py", RANKS)
    first = cluster.run("train", "-e", "COLOR=blue", "ranks.py", "--epochs", "3", "-f", "x")
    second = cluster.run("train", "--json", "ranks.py")
    return first, second


def test_rank_0_streams_to_stdout_with_the_scripts_own_arguments(ranked):
    assert "rank 0 of 2 got ['--epochs', '3', '-f', 'x'] blue" in ranked[0].stdout
    assert "rank 1 of" not in ranked[0].stdout


def test_an_unchanged_bundle_is_not_uploaded_again(cluster, ranked):
    assert "uploading the code" in ranked[0].stderr
    cluster.write("ranks.py", RANKS)
    again = cluster.run("train", "-d", "ranks.py")
    assert "code unchanged" in again.stderr
    assert "uploading" not in again.stderr
    cluster.run("cancel")


def test_with_json_stdout_is_one_document(cluster, ranked):
    done = json.loads(ranked[1].stdout)
    assert (done["state"], done["exit_code"], done["failure"]) == ("succeeded", 0, None)
    none = json.loads(cluster.run("train", "--json", "nowhere.py", code=66).stdout)
    assert none["error"]["exit_code"] == 66


def test_the_output_of_every_rank_can_be_read_afterwards(cluster, ranked):
    job = json.loads(ranked[1].stdout)["job"]
    assert "rank 1 of 2" in cluster.run("logs", "--rank", "1", job).stdout
    assert "rank 0 of 2" in cluster.run("logs", job).stdout
    missing = cluster.run("logs", "--rank", "7", job, code=66)
    assert "no output of rank 7" in missing.stderr


def test_a_missing_script_is_said_before_anything_runs(cluster):
    missing = cluster.run("train", "nowhere.py", code=66)
    assert "nowhere.py: no such file" in missing.stderr


def test_a_failing_ranks_traceback_comes_last_with_its_node_and_the_jobs_exit_code(cluster):
    cluster.write("fails.py", FAILS)
    failed = cluster.run("train", "fails.py", code=3)
    *_, traceback, last = failed.stderr.strip().splitlines()
    assert traceback == "ValueError: the reason of it all"
    assert re.search(r"rank 1 on worker-\d failed \(exit code 3\)", last)
    assert cluster.processes("fails.py") == []
    assert cluster.json("status")["jobs"][0]["state"] == "failed"


@pytest.fixture
def watched(cluster):
    """A long job that this test's `train` watches."""
    cluster.write("sleeps.py", SLEEPS)
    process = cluster.start("train", "sleeps.py", start_new_session=True)
    first = process.stdout.readline()
    assert "tick" in first, process.stderr.read()
    yield process
    cluster.run("cancel")
    process.stdout.close()
    process.stderr.close()
    process.wait(30)


def test_ctrl_c_detaches_and_logs_attaches_again(cluster, watched):
    os.kill(watched.pid, signal.SIGINT)
    assert watched.wait(20) == 130
    said = watched.stderr.read()
    assert "dlcluster logs -f" in said
    assert "Traceback" not in said
    assert cluster.json("status")["jobs"][0]["state"] == "running"
    assert len(cluster.processes("sleeps.py")) == 2
    again = cluster.start("logs", "-f")
    assert again.stdout.readline().startswith("tick 0 ")
    cluster.run("cancel")
    _, err = again.communicate(timeout=30)
    assert "was cancelled" in err
    assert again.returncode != 0
    assert cluster.processes("sleeps.py") == []


def test_a_killed_client_does_not_stop_the_job(cluster, watched):
    watched.kill()
    watched.wait(10)
    assert not cluster.wait_for(lambda: len(cluster.processes("sleeps.py")) != 2, 1.5)
    assert cluster.json("status")["jobs"][0]["state"] == "running"


def test_a_second_job_is_refused_while_one_runs_and_names_it(cluster, watched):
    busy = cluster.run("train", "sleeps.py", code=69)
    assert "a job is running already: sleeps-" in busy.stderr
    assert "dlcluster cancel sleeps-" in busy.stderr


def test_a_script_that_the_ignore_rules_leave_out_is_refused(cluster):
    cluster.write("secret/x.py", "print(1)")
    cluster.write(".dlclusterignore", "secret/\n")
    try:
        refused = cluster.run("train", "secret/x.py", code=2)
        assert "left out" in refused.stderr
    finally:
        (cluster.work / ".dlclusterignore").unlink()


def test_exec_runs_on_all_nodes_and_ends_with_the_worst_code(cluster):
    done = cluster.run("exec", "--", "echo $HOME; exit $((RANDOM % 1))")
    assert {line.split(" | ")[0].strip() for line in done.stdout.splitlines()} == {"head", "worker-0", "worker-1"}
    bad = cluster.run("exec", "-w", "workers", "sh", "-c", "echo oops >&2; exit 4", code=4)
    assert "worker-1: oops" in bad.stderr
    wrong = cluster.run("exec", "-w", "worker-9", "true", code=66)
    assert "there is no node worker-9" in wrong.stderr


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")
def test_openssh_reaches_a_worker_through_the_head_with_checked_keys(cluster):
    shim = cluster.root / "bin"
    shim.mkdir(exist_ok=True)
    # `dlcluster ssh` replaces itself by the system's ssh; a wrapper adds a command, since a test has no terminal.
    (shim / "ssh").write_text("#!/bin/sh\nPATH=/usr/bin:/bin exec ssh \"$@\" 'echo on $(hostname); echo $HOME'\n")
    (shim / "ssh").chmod(0o755)
    env = {**cluster.env, "PATH": f"{shim}:{cluster.env['PATH']}"}
    done = subprocess.run(
        [*cluster.program, "ssh", "worker-1"], env=env, cwd=cluster.work, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "/home/ubuntu" in done.stdout
