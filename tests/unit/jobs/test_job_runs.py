"""The whole life of a job on local nodes: shipped, run, watched, stored."""

from __future__ import annotations

import json


def test_rank_0_is_streamed_and_the_job_succeeds(site):
    job = site.submit("import os\nprint('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])")
    outcome, text = site.follow(job)
    assert (outcome.state, outcome.exit_code, outcome.failure, outcome.unstored) == ("succeeded", 0, None, {})
    assert text == "rank 0 of 2\n"
    assert site.leftovers() == []
    assert json.loads(site.store.get(job.prefix + "nodes/head.json"))["outcome"]["state"] == "succeeded"
