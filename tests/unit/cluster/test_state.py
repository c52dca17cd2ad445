from __future__ import annotations

import json

import pytest

from dlcluster.cluster.state import Record, known
from dlcluster.cluster.status import overview
from dlcluster.config import default_cluster
from dlcluster.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def test_an_unknown_cluster_has_no_record():
    assert Record("x").read() == {}
    assert Record("x").config() is None
    assert known() == []


def test_what_is_saved_is_read_back_equal():
    config = default_cluster().with_name("x")
    Record("x").save(config)
    assert Record("x").config() == config
    assert Record("x").directory.stat().st_mode & 0o777 == 0o700


def test_a_buried_cluster_keeps_its_end_and_loses_its_key():
    record = Record("x")
    record.save(default_cluster().with_name("x"))
    (record.directory / "id_ed25519").write_text("secret")
    record.bury()
    assert record.removed
    assert [path.name for path in record.directory.iterdir()] == ["cluster.json"]


def test_a_cluster_that_is_made_again_is_not_removed_any_more():
    record = Record("x")
    record.save(default_cluster().with_name("x"))
    record.bury()
    record.save(default_cluster().with_name("x"))
    assert record.removed == ""


def test_the_time_of_the_removal_is_that_of_the_first():
    record = Record("x")
    record.save(default_cluster().with_name("x"))
    record.bury()
    record.add(removed="2026-11-24T10:00:00+00:00")
    record.bury()
    assert record.removed == "2026-11-24T10:00:00+00:00"


def broken(name):
    record = Record(name)
    record.save(default_cluster().with_name(name))
    (record.directory / "cluster.json").write_text(json.dumps({"config": {"name": name, "of_next_year": 1}}))
    return record


def test_the_record_of_another_version_is_an_error_that_says_where_it_lies():
    record = broken("x")
    with pytest.raises(UserError, match="another version of dlcluster") as caught:
        record.config()
    assert caught.value.where == str(record.directory / "cluster.json")


def test_a_cluster_of_which_nothing_can_be_learned_does_not_hide_the_others(monkeypatch, tmp_path):
    monkeypatch.setenv("DLCLUSTER_LOCAL_HOME", str(tmp_path / "local"))
    broken("a")
    Record("b").save(default_cluster().with_name("b"))
    first, second = overview()
    assert (first["name"], first["state"]) == ("a", "unknown")
    assert "another version" in first["reason"]
    assert (second["name"], second["state"]) == ("b", "gone")
