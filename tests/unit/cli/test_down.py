from __future__ import annotations

import json

import pytest

from dlcluster.cli import down as cli
from dlcluster.cluster.down import Report, _saved
from dlcluster.errors import Exit, UserError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def answer(monkeypatch, report):
    monkeypatch.setattr(cli, "down", lambda config, reporter, *, outputs: report)


def test_what_is_left_is_listed_and_ends_with_74(monkeypatch, capsys):
    answer(monkeypatch, Report("x", removed=["AWS::EC2::VPC Vpc"], left=["volume vol-1", "instance i-2"]))
    assert cli.run_down(None, "x", None, yes=True, json_=False) == Exit.LEFTOVER == 74
    said = capsys.readouterr().err
    assert "still there: volume vol-1" in said
    assert "still there: instance i-2" in said
    assert "2 left" in said


def test_with_json_what_is_left_is_in_the_document(monkeypatch, capsys):
    answer(monkeypatch, Report("x", left=["volume vol-1"]))
    assert cli.run_down(None, "x", None, yes=True, json_=True) == 74
    assert json.loads(capsys.readouterr().out)["left"] == ["volume vol-1"]


def test_a_kept_bucket_is_named(monkeypatch, capsys):
    answer(monkeypatch, Report("x", removed=["AWS::EC2::VPC Vpc"], kept=["bucket b"]))
    assert cli.run_down(None, "x", None, yes=True, json_=False) == 0
    assert "kept bucket b" in capsys.readouterr().err


def test_results_that_cannot_be_saved_stop_down_before_anything_is_removed(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")

    def fetch(store, directory):
        (directory / "job").mkdir()

    monkeypatch.setattr("dlcluster.cluster.down.fetch_missing", fetch)
    with pytest.raises(UserError, match="nothing was removed") as caught:
        _saved(None, tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.where
    assert "down -o DIR" in caught.value.hint


def test_ctrl_c_says_how_to_go_on(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "down", interrupted)
    with pytest.raises(UserError, match="goes on in the cloud") as caught:
        cli.run_down(None, "x", None, yes=True, json_=False)
    assert caught.value.code == Exit.INTERRUPTED
