"""The whole life of a job on local nodes: shipped, run, watched, stored."""

from __future__ import annotations

import json
import threading


def test_rank_0_is_streamed_and_the_job_succeeds(site):
    job = site.submit("import os\nprint('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])")
    outcome, text = site.follow(job)
    assert (outcome.state, outcome.exit_code, outcome.failure, outcome.unstored) == ("succeeded", 0, None, {})
    assert text == "rank 0 of 2\n"
    assert site.leftovers() == []
    assert json.loads(site.store.get(job.prefix + "nodes/head.json"))["outcome"]["state"] == "succeeded"


def test_output_that_could_not_be_streamed_is_shown_at_the_end(site, monkeypatch):
    connect = site.connect

    def no_way_to_rank_0(target=None):
        if threading.current_thread().name == "follow-worker-0":
            raise connect(target).lost("no SSH answer")
        return connect(target)

    monkeypatch.setattr(site, "connect", no_way_to_rank_0)
    outcome, text = site.follow(site.submit("import os\nprint('rank', os.environ['RANK'])"))
    assert (outcome.state, text) == ("succeeded", "rank 0\n")


def test_another_rank_is_found_and_streamed(site):
    job = site.submit("import os\nprint('rank', os.environ['RANK'])")
    outcome, text = site.follow(job, rank=1)
    assert (outcome.state, text) == ("succeeded", "rank 1\n")
