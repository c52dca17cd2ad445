"""How the code reaches nodes that have it already, that have lost it, and that cannot copy it."""

from __future__ import annotations

import shutil

import pytest

from dlcluster.errors import UserError
from dlcluster.jobs import bundle as bundles
from dlcluster.jobs import unchanged
from dlcluster.jobs.submit import Request, submit


@pytest.fixture
def known(site, monkeypatch):
    """A job that has brought its bundle to all nodes; its files count as old enough to be recognized."""
    monkeypatch.setattr(unchanged, "RECENT", 0)
    job = site.submit("print(1)")
    site.follow(job)
    site.store.puts.clear()
    return job


def again(site):
    site.jobs.append(submit(site.cluster, site, Request(site.code, "train.py")))
    return site.jobs[-1]


def forget(site, job, *parts):
    shutil.rmtree(site.nodes[1].home.joinpath(".dlcluster", "bundles", job.bundle, *parts))


def test_a_known_bundle_is_not_looked_for_in_the_bucket(site, known, monkeypatch):
    monkeypatch.setattr(site.store, "exists", None)
    assert site.follow(again(site))[1] == "1\n"


@pytest.mark.parametrize("in_bucket", [True, False])
def test_a_known_bundle_is_sent_again_to_a_node_that_has_lost_it(site, known, in_bucket):
    forget(site, known)
    if not in_bucket:
        del site.store.objects[f"bundles/{known.bundle}.tar.gz"]
    job = again(site)
    assert (job.bundle, site.follow(job)[1]) == (known.bundle, "1\n")
    assert any(key.startswith("bundles/") for key in site.store.puts) is not in_bucket


def test_code_that_changes_while_a_lost_bundle_is_packed_again_is_not_run(site, known, monkeypatch):
    forget(site, known)
    del site.store.objects[f"bundles/{known.bundle}.tar.gz"]
    pack = bundles.pack

    def changing(root, scratch, chosen):
        (root / "train.py").write_text("print(2)")
        return pack(root, scratch, chosen)

    monkeypatch.setattr(bundles, "pack", changing)
    with pytest.raises(UserError, match="changed while the job started"):
        again(site)
    assert site.leftovers() == []


def test_code_that_cannot_be_copied_on_a_node_fails_the_job_with_the_reason(site, known):
    forget(site, known, "code")
    outcome, _ = site.follow(again(site))
    assert (outcome.state, outcome.failure.node) == ("failed", "worker-0")
    assert "cannot copy the code" in outcome.failure.log[0]


def test_the_record_is_there_at_the_end_although_the_client_could_not_write_it(site, known):
    job = again(site)
    del site.store.objects[f"jobs/{job.id}/job.json"]
    site.follow(job)
    assert site.store.objects[f"jobs/{job.id}/job.json"]
