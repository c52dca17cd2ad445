"""Job ids and records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.jobs import records

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("lenet/train.py", "lenet"),
        ("deep/er/main.py", "er"),
        ("waldo.py", "waldo"),
        ("train.py", "train"),
        ("Straße & Co.py", "stra-e-co"),
        ("___.py", "job"),
        ("x" * 99 + ".py", "x" * 30),
    ],
)
def test_ids_are_readable(script, name):
    stem, day, hour, digits = records.new_id(script, NOW).rsplit("-", 3)
    assert (stem, day, hour, len(digits)) == (name, "20261124", "103000", 4)


def test_records_come_back_newest_first_with_their_ends(store):
    for number in (1, 3, 2):
        records.save(store, records.Job(f"j-{number}", "c", "t.py", ["-x"], {"head": "10.0.0.1"}, f"2026-01-0{number}"))
    store.put("jobs/j-2/nodes/head.json", json.dumps({"outcome": {"state": "failed"}}).encode())
    store.put("jobs/j-9/logs/worker-0/rank-0.log", b"")  # a job without its record is none
    assert [(each.job.id, each.state) for each in records.listing(store)] == [
        ("j-3", ""),
        ("j-2", "failed"),
        ("j-1", ""),
    ]
    assert records.load(store, "j-2").job.args == ["-x"]
    with pytest.raises(UserError) as caught:
        records.load(store, "j-9")
    assert caught.value.code == Exit.NOT_FOUND


def test_fields_of_a_newer_version_are_passed_over(store):
    records.save(store, records.Job("j-1", "c", "t.py", [], {}, "2026"))
    stored = json.loads(store.get("jobs/j-1/job.json"))
    store.put("jobs/j-1/job.json", json.dumps({**stored, "colour": "blue"}).encode())
    assert records.load(store, "j-1").job.script == "t.py"
