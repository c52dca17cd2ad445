"""A bundle is packed again whenever its files may have changed."""

from __future__ import annotations

import os
import time

import pytest

from dlcluster.jobs import unchanged
from dlcluster.jobs.bundle import Bundle

BUNDLE = Bundle(None, "ab" * 32, 123, 1)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """One file, looked at a minute after it was written."""
    path = tmp_path / "train.py"
    path.write_text("print(1)")
    now = time.time_ns()
    monkeypatch.setattr(unchanged.time, "time_ns", lambda: now + 60_000_000_000)
    return [("code/train.py", path)]


def test_the_same_files_recall_the_bundle_without_an_archive(code, tmp_path):
    unchanged.look(code).keep(tmp_path / "memory", BUNDLE)
    assert unchanged.look(code).recall(tmp_path / "memory") == BUNDLE


def _other_content(path):
    path.write_text("print(2)")
    os.utime(path, ns=(0, path.stat().st_mtime_ns))


def _back_dated(path):
    seen = path.stat()
    path.write_text("print(2)")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # the same size and time: only ctime tells


@pytest.mark.parametrize(
    "change", [_other_content, _back_dated, lambda path: path.chmod(0o700), lambda path: path.unlink()]
)
def test_a_changed_file_recalls_nothing(code, tmp_path, change):
    unchanged.look(code).keep(tmp_path / "memory", BUNDLE)
    change(code[0][1])
    assert unchanged.look(code).recall(tmp_path / "memory") is None


def test_another_name_or_one_file_more_recalls_nothing(code, tmp_path):
    unchanged.look(code).keep(tmp_path / "memory", BUNDLE)
    assert unchanged.look([("code/other.py", code[0][1])]).recall(tmp_path / "memory") is None
    assert unchanged.look([*code, ("code/other.py", code[0][1])]).recall(tmp_path / "memory") is None


def test_files_written_in_the_last_second_are_not_remembered(code, tmp_path, monkeypatch):
    monkeypatch.setattr(unchanged.time, "time_ns", lambda: code[0][1].stat().st_ctime_ns + 500_000_000)
    unchanged.look(code).keep(tmp_path / "memory", BUNDLE)
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"look": 1}'])
def test_a_damaged_memory_recalls_nothing(code, tmp_path, content):
    (tmp_path / "memory").write_text(content)
    assert unchanged.look(code).recall(tmp_path / "memory") is None
