"""The node's side of single calls: pull, follow, stop, the hub's door."""

from __future__ import annotations

import base64
import json
import socket
import threading
from dataclasses import asdict

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control, nodecode, records, results
from dlcluster.jobs.bundle import build

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


def pull(site, name, **changes):
    job = {"id": "job-1", "node": name, "nodes": {"head": "127.2.0.1", "worker-0": "127.2.0.2"}}
    payload = {"job": job, "url": f"{site.store.endpoint}/bucket/x", "sha256": "0" * 64, "parallel": False, **changes}
    return nodecode.ask(site.cluster.node(name), "pull", payload)


def test_a_damaged_bundle_is_refused_and_leaves_nothing(site):
    site.store.objects["x"] = b"not what was promised"
    assert "damaged" in pull(site, "worker-0")["error"]
    assert list((site.nodes[1].home / ".dlcluster" / "bundles").iterdir()) == []


def test_a_bundle_that_is_not_there_is_told(site):
    assert "404" in pull(site, "worker-0")["error"]


def test_python_that_fails_on_the_node_is_told_with_its_last_words(site):
    with pytest.raises(UserError, match="KeyError") as caught:
        pull(site, "worker-0", job={})
    assert (caught.value.code, caught.value.where) == (Exit.NODE_LOST, "worker-0")


def test_any_bytes_of_a_log_arrive_unchanged_and_from_an_offset(site):
    job = site.submit("import sys; sys.stdout.buffer.write(bytes(range(256)) * 999)")
    site.follow(job)
    payload = {"job": job.id, "log": "rank-0.log", "offset": 1000}
    lines = list(nodecode.call(site.cluster.node("worker-0"), "follow", payload))
    text = b"".join(base64.b64decode(line["log"]) for line in lines if "log" in line)
    assert text == (bytes(range(256)) * 999)[1000:]
    assert lines[-1] == {"end": "done"}


def test_a_job_that_the_node_does_not_know_is_missing(site):
    lines = list(nodecode.call(site.cluster.node("head"), "follow", {"job": "x", "log": None}))
    assert lines == [{"end": "missing"}]


def test_a_follower_whose_listener_is_gone_ends(site):
    job = site.submit(SLEEP)
    site.wait_for(lambda: site.cluster.node("worker-0").path(job, "logs", "rank-0.log").exists())
    stream = nodecode.call(site.cluster.node("worker-0"), "follow", {"job": job.id, "log": "rank-0.log"}).stream
    stream.process.stdout.close()
    assert stream.process.wait(15) != 0
    control.cancel(site.cluster, site)


def test_strangers_at_the_hub_are_turned_away_and_the_job_goes_on(site):
    job = site.submit(SLEEP)
    head = site.cluster.node("head")
    site.wait_for(lambda: head.status(job)["state"] == "running")
    port = json.loads(head.path(job, "job.json").read_text())["ports"]["hub"]
    for text in (b"GET / HTTP/1.1\r\n\r\n", b'{"node": "worker-0", "token": "guess"}\n', b'{"ended": {}}\n', b"[]\n"):
        with socket.create_connection((head.private_ip, port), timeout=5) as sock:
            sock.sendall(text)
            assert sock.recv(100) == b""
    assert control.jobs(site.cluster, site)[0].state == "running"
    control.cancel(site.cluster, site)


def test_a_second_follower_sees_the_whole_log(site, tmp_path):
    go = tmp_path / "go"
    job = site.submit(f"import os, time\nprint('early')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)")
    seen = {}
    threads = [threading.Thread(target=lambda n=n: seen.update({n: site.follow(job)})) for n in (1, 2)]
    for thread in threads:
        thread.start()
    go.touch()
    for thread in threads:
        thread.join(30)
    assert [text for _, text in seen.values()] == ["early\n", "early\n"]


def test_several_processes_on_a_node_are_several_ranks(site):
    job = site.submit("import os\nprint(os.environ['WORLD_SIZE'], os.environ['LOCAL_RANK'])", processes=2)
    assert site.follow(job)[1] == "4 0\n"
    logs = [key.rpartition("/")[2] for key in site.store.keys(job.prefix + "logs/") if "rank-" in key]
    assert sorted(logs) == [f"rank-{rank}.log" for rank in range(4)]


def test_outputs_and_logs_are_fetched_from_the_bucket_after_the_end(site, tmp_path):
    import io

    job = site.submit(
        "import os\nout = os.environ['DLCLUSTER_OUTPUT_DIR']\nos.makedirs(out + '/sub')\n"
        "open(out + '/sub/a.txt', 'w').write('x')\nprint('said')"
    )
    site.follow(job)
    assert results.fetch_outputs(site.store, job, tmp_path / "out") == [tmp_path / "out" / "sub" / "a.txt"]
    sink = io.BytesIO()
    results.stored_log(site.store, job, sink)
    assert sink.getvalue() == b"said\n"
    with pytest.raises(UserError, match="rank 9"):
        results.stored_log(site.store, job, sink, rank=9)


def test_a_job_that_left_nothing_is_lost(site):
    job = records.Job("old-1", "test", "t.py", [], {}, "2026-01-01T00:00:00+00:00")
    records.save(site.store, job)
    found = control.find(site.cluster, site, None)
    assert (found.record.job.id, found.state) == ("old-1", "lost")
    with pytest.raises(UserError, match="old-1") as caught:
        control.find(site.cluster, site, "other")
    assert caught.value.code == Exit.NOT_FOUND


def test_cancelling_an_unknown_job_is_told(site):
    with pytest.raises(UserError) as caught:
        control.cancel(site.cluster, site, "never")
    assert caught.value.code == Exit.NOT_FOUND


def test_a_job_whose_workers_never_come_ends_by_itself(site, tmp_path):
    (site.code / "train.py").touch()
    bundle = build(site.code, tmp_path)
    site.store.put(bundle.key, bundle.path)
    job = records.Job("job-1", "test", "train.py", [], {node.name: node.private_ip for node in site.nodes}, "", "", "b")
    spec = {**asdict(job), "node": "head", "token": "t", "limits": {"join": 0.3}}
    assert "started" in pull(site, "head", job=spec, url=site.store.url(bundle.key), sha256=bundle.sha256)
    end = site.wait_for(lambda: (found := site.nodes[0].status(job))["state"] == "stored" and found)
    assert end["outcome"]["state"] == "lost"
    assert end["outcome"]["failure"]["reason"] == "it never joined the job"
