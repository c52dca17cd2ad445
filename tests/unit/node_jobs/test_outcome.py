"""Which rank and node a job's failure is blamed on."""

from __future__ import annotations

import pytest

from dlcluster.node.outcome import decide, first_failure

OK = {"exit_code": 0, "stopped": "", "failure": None}


def failed(rank, code, at, stopped=""):
    return {"exit_code": 1, "stopped": stopped, "failure": {"rank": rank, "exit_code": code, "at": at, "log": []}}


@pytest.mark.parametrize(
    ("ends", "state", "code", "node", "rank"),
    [
        ({"a": OK, "b": OK}, "succeeded", 0, None, None),
        ({"a": failed(0, 1, 5.0), "b": failed(1, 3, 4.9)}, "failed", 3, "b", 1),
        ({"a": failed(0, 143, 4.0, "another node failed"), "b": failed(1, 3, 4.9)}, "failed", 3, "b", 1),
        ({"a": failed(None, 1, 4.0), "b": failed(1, 3, 4.9)}, "failed", 3, "b", 1),
        ({"a": failed(None, 127, 4.0), "b": OK}, "failed", 127, "a", None),
        ({"a": failed(0, 1, 4.0), "head": failed(None, 1, 9.0)}, "failed", 1, "head", None),
        ({"a": failed(0, 1, 4.0), "b": {"lost": "gone", "at": 5.0}}, "lost", 1, "b", None),
        ({"a": {"lost": "x", "at": 2.0}, "b": {"lost": "y", "at": 1.0}}, "lost", 1, "b", None),
        ({"a": OK, "b": {**OK, "stopped": "the head is gone"}}, "cancelled", 143, None, None),
        ({"a": {**failed(0, 143, 4.0), "stopped": "cancelled"}, "b": OK}, "cancelled", 143, None, None),
    ],
)
def test_the_first_cause_is_blamed(ends, state, code, node, rank):
    verdict = decide(ends, cancelled=False)
    assert (verdict["state"], verdict["exit_code"]) == (state, code)
    blamed = verdict["failure"] or {"node": None, "rank": None}
    assert (blamed["node"], blamed["rank"]) == (node, rank)


def test_a_cancelled_job_is_cancelled_whatever_its_ranks_said():
    assert decide({"a": failed(0, 1, 1.0)}, cancelled=True)["state"] == "cancelled"


def rank(number, code, at, attempt=0):
    return {"rank": number, "exit_code": code, "failed_at": at, "attempt": attempt}


def test_of_a_nodes_ranks_the_first_that_failed_by_itself_counts():
    assert first_failure([rank(0, 143, 1.0), rank(1, 2, 3.0), rank(2, 5, 2.0), rank(3, 0, None)])["rank"] == 2
    assert first_failure([rank(0, 143, 1.0)])["rank"] == 0
    assert first_failure([rank(0, 0, None), {"rank": 1, "attempt": 0}]) is None
    assert first_failure([]) is None


def test_failures_of_earlier_attempts_are_forgotten():
    assert first_failure([rank(0, 7, 1.0), rank(1, 0, None, attempt=1)]) is None
