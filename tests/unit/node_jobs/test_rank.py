"""The wrapper around every rank: its log, its record, its signals, its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dlcluster.node

RANK = Path(dlcluster.node.__path__[0]) / "rank.py"


@pytest.fixture
def start(tmp_path):
    for name in ("logs", "ranks", "code"):
        (tmp_path / name).mkdir()
    started = []

    def run(*program: str) -> subprocess.Popen:
        env = {**os.environ, "RANK": "5", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}
        started.append(subprocess.Popen([sys.executable, str(RANK), str(tmp_path), *program], env=env))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def record(tmp_path, *keys):
    found = json.loads((tmp_path / "ranks" / "5.json").read_text())
    return found if not keys else tuple(found.get(key) for key in keys)


def wait_for(path: Path, text: bytes) -> None:
    deadline = time.monotonic() + 10
    while not (path.exists() and text in path.read_bytes()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_both_outputs_are_in_the_log_in_order_and_the_code_is_passed_on(start, tmp_path):
    assert start("sh", "-c", "echo one; echo two >&2; echo three; exit 7").wait(10) == 7
    assert (tmp_path / "logs" / "rank-5.log").read_text() == "one\ntwo\nthree\n"
    assert record(tmp_path, "rank", "local_rank", "attempt", "exit_code") == (5, 1, 2, 7)
    assert record(tmp_path)["failed_at"] <= record(tmp_path)["ended"]


def test_the_program_runs_in_the_code_once_that_is_complete(start, tmp_path):
    (tmp_path / "code").rename(tmp_path / "code.part")
    process = start("sh", "-c", "pwd; ls")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    (tmp_path / "code.part" / "train.py").touch()
    (tmp_path / "code.part").rename(tmp_path / "code")
    assert process.wait(10) == 0
    assert (tmp_path / "logs" / "rank-5.log").read_text() == f"{tmp_path / 'code'}\ntrain.py\n"


def test_success_is_no_failure(start, tmp_path):
    assert start("true").wait(10) == 0
    assert record(tmp_path, "exit_code", "failed_at") == (0, None)


def test_a_program_that_does_not_exist_is_told_in_the_log(start, tmp_path):
    assert start("/no/such/program").wait(10) == 127
    assert "/no/such/program" in (tmp_path / "logs" / "rank-5.log").read_text()
    assert record(tmp_path, "exit_code") == (127,)


def test_a_signal_reaches_the_program_and_its_own_end_counts(start, tmp_path):
    process = start("sh", "-c", "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done")
    wait_for(tmp_path / "logs" / "rank-5.log", b"up")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 9
    assert b"bye" in (tmp_path / "logs" / "rank-5.log").read_bytes()


def test_a_program_that_dies_of_a_signal_gives_128_plus_its_number(start, tmp_path):
    assert start("sh", "-c", "kill -9 $$").wait(10) == 137
    assert record(tmp_path)["failed_at"] == record(tmp_path)["ended"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_the_program_dies_with_its_wrapper(start, tmp_path):
    process = start("sh", "-c", "echo $$; exec sleep 600")
    wait_for(tmp_path / "logs" / "rank-5.log", b"\n")
    pid = int((tmp_path / "logs" / "rank-5.log").read_text())
    process.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
