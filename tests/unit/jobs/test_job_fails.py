"""What a user sees when a job goes wrong, and that nothing runs on afterwards."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from dlcluster.cloud import fleet
from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


def rank_starts(site, job, name):
    return lambda: list(site.cluster.node(name).path(job, "ranks").glob("*.json"))


def test_the_failing_rank_is_named_with_its_traceback_and_exit_code(site):
    job = site.submit(
        "import os, sys, time\n"
        "if os.environ['RANK'] == '1':\n    sys.stderr.write('boom\\n'); sys.exit(3)\n"
        "time.sleep(600)"
    )
    outcome, _ = site.follow(job)
    assert (outcome.state, outcome.exit_code) == ("failed", 3)
    assert str(outcome.failure) == "rank 1 on worker-1 failed (exit code 3)"
    assert outcome.failure.log == ["boom"]
    assert site.leftovers() == []


def test_the_cause_is_named_even_if_its_peers_are_quicker_to_end(site, tmp_path):
    flag = tmp_path / "flag"
    job = site.submit(
        f"import atexit, os, sys, time\nflag = {str(flag)!r}\n"
        "if os.environ['RANK'] == '1':\n"
        "    atexit.register(lambda: (open(flag, 'w').close(), time.sleep(1)))\n"  # a slow end, as with torch
        "    raise ValueError('the cause')\n"
        "while not os.path.exists(flag): time.sleep(0.01)\n"
        "time.sleep(0.05)\n"  # sockets close after the traceback; a file's time is exact to 4 ms
        "raise ConnectionError('the consequence')",
        limits={"grace": 60.0},
    )
    outcome, text = site.follow(job)
    assert (outcome.failure.rank, outcome.failure.node) == (1, "worker-1")
    assert outcome.failure.log[-1] == "ValueError: the cause"
    assert "the consequence" in text


def test_a_rank_that_a_signal_killed_fails_with_128_plus_its_number(site):
    job = site.submit("import os, time\nif os.environ['RANK'] == '0': os.kill(os.getpid(), 9)\ntime.sleep(600)")
    outcome, _ = site.follow(job)
    assert (outcome.exit_code, outcome.failure.rank) == (137, 0)


def test_a_launcher_that_fails_before_any_rank_is_named_with_its_output(make_site):
    site = make_site()
    for node in site.nodes[1:]:
        node.env["DLCLUSTER_PYTHON"] = "/no/such/python"
    outcome, _ = site.follow(site.submit("print()"))
    assert outcome.state == "failed"
    assert outcome.failure.rank is None
    assert "/no/such/python" in outcome.failure.log[0]
    assert site.leftovers() == []


def test_a_rendezvous_that_ends_ends_the_job(site):
    job = site.submit(SLEEP)
    site.wait_for(rank_starts(site, job, "worker-0"))
    head = site.cluster.node("head")
    os.kill(site.wait_for(lambda: rendezvous_of(head), "no rendezvous on the head"), signal.SIGKILL)
    outcome, _ = site.follow(job)
    assert str(outcome.failure) == "the rendezvous on head failed (exit code 137)"
    assert site.leftovers() == []


@pytest.mark.parametrize("victim", ["worker-1", "head"])
def test_a_lost_node_is_named_and_the_others_are_stopped(site, victim, monkeypatch):
    monkeypatch.setattr(
        fleet, "instances", lambda session, cluster: [{"InstanceId": f"i-{victim}", "State": {"Name": "shutting-down"}}]
    )
    job = site.submit(SLEEP)
    for name in ("worker-0", "worker-1"):
        site.wait_for(rank_starts(site, job, name), f"no rank on {name}")
    node = site.cluster.node(victim)
    pids = [int(path.parts[2]) for path in processes_of(node)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # as a machine goes: all at once
    node.down = True
    with pytest.raises(UserError) as caught:
        site.follow(job)
    assert caught.value.code == Exit.NODE_LOST
    assert caught.value.where == victim
    assert f"i-{victim} is shutting-down" in caught.value.what
    assert site.leftovers() == []


def rendezvous_of(head):
    for path in processes_of(head):
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"rendezvous.py" in path.with_name("cmdline").read_bytes():
                return int(path.parts[2])
    return None


def processes_of(node):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={node.home}\0".encode() in path.read_bytes():
                found.append(path)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def test_a_killed_supervisor_takes_its_ranks_with_it(site, monkeypatch):
    monkeypatch.setattr(fleet, "instances", lambda session, cluster: [])
    job = site.submit(SLEEP)
    site.wait_for(rank_starts(site, job, "worker-0"))
    os.kill(int(site.cluster.node("worker-0").path(job, "lock").read_text()), signal.SIGKILL)
    with pytest.raises(UserError, match="worker-0"):
        site.follow(job)
    assert site.leftovers() == []


def test_cancel_ends_everything_and_says_where_and_may_be_repeated(site):
    job = site.submit(
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"  # an escaper
        "time.sleep(600)"
    )
    site.wait_for(rank_starts(site, job, "worker-0"))
    stopped = control.cancel(site.cluster, site, job.id)
    assert stopped.jobs == {job.id: ["head", "worker-0", "worker-1"]}
    assert (stopped.killed, stopped.unreached) == ([], {})
    assert site.leftovers() == []
    assert control.cancel(site.cluster, site, job.id).jobs == {}
    assert site.follow(job)[0].state == "cancelled"


def test_a_second_job_is_refused_while_one_runs_unless_asked_for(site):
    first = site.submit(SLEEP)
    with pytest.raises(UserError) as caught:
        site.submit(SLEEP)
    assert caught.value.code == Exit.UNAVAILABLE
    assert first.id in caught.value.what
    assert f"dlcluster cancel {first.id}" in caught.value.hint
    second = site.submit("print('beside')", parallel=True)
    assert site.follow(second)[1] == "beside\n"
    assert [summary.state for summary in control.jobs(site.cluster, site)] == ["succeeded", "running"]
    control.cancel(site.cluster, site)


def test_a_node_that_cannot_start_the_job_stops_it_on_the_others(site):
    site.nodes[2].home.joinpath(".dlcluster").write_text("in the way")
    with pytest.raises(UserError, match="worker-1: cannot start"):
        site.submit(SLEEP)
    assert site.leftovers() == []


def test_results_that_cannot_be_stored_are_told_and_do_not_change_the_exit_code(site):
    site.store.broken = True  # for the nodes
    job = site.submit("print('done')")
    outcome, _ = site.follow(job)
    assert (outcome.state, outcome.exit_code) == ("succeeded", 0)
    assert set(outcome.unstored) == {"head", "worker-0", "worker-1"}
    assert "it is gone" in outcome.unstored["worker-0"]
    assert [summary.state for summary in control.jobs(site.cluster, site)] == ["succeeded"]


def test_a_stop_waits_for_results_that_are_on_their_way(site, monkeypatch):
    monkeypatch.setattr(control, "PATIENCE", 0.5)
    site.store.slow = 1.5
    job = site.submit("import os\nopen(os.environ['DLCLUSTER_OUTPUT_DIR'] + '/model', 'w').write('weights')\n")
    site.wait_for(lambda: (files_status(site, job, "head") or {}).get("state") == "ended")
    stopped = control.stop_everywhere(site.cluster, site, None)
    assert stopped.killed == []
    assert site.store.objects[f"jobs/{job.id}/output/model"] == b"weights"


def files_status(site, job, node):
    path = site.cluster.node(node).path(job, "status.json")
    return json.loads(path.read_text()) if path.exists() else None
