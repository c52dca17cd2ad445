from __future__ import annotations

import pytest

from dlcluster.cluster.state import Record, known
from dlcluster.config import default_cluster


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
