from __future__ import annotations

import io
import multiprocessing
import os
import signal

import pytest
import torch
from dlengine import EngineError
from dlengine.train import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STATE = {"model": {"weight": torch.arange(300.0)}, "history": [{"loss": 0.5}]}


def complain_never(line: str) -> None:
    raise AssertionError(line)


def steps(directory) -> list[int]:
    return [int(path.stem.split("-")[1]) for path in checkpoint.files(directory)]


def test_the_last_few_are_kept_and_latest_names_the_newest(tmp_path):
    for step in (3, 20, 100, 7):
        checkpoint.write(tmp_path, step, STATE, keep=3)
    assert steps(tmp_path) == [100, 20, 7]
    checkpoint.write(tmp_path, 101, STATE, keep=3)
    assert (tmp_path / "latest").read_text() == "step-00000101.pt\n"
    assert sorted(os.listdir(tmp_path)) == ["latest", "step-00000020.pt", "step-00000100.pt", "step-00000101.pt"]


def test_a_checkpoint_is_an_ordinary_torch_file(tmp_path):
    path = checkpoint.write(tmp_path, 1, STATE, keep=1)
    assert torch.equal(torch.load(path, weights_only=True)["model"]["weight"], STATE["model"]["weight"])


def die_at(directory, function: str, call: int) -> None:
    """In a child process: write a second checkpoint and be killed at the n-th call of os.fsync or os.replace."""
    calls = iter(range(1, 100))
    original = getattr(os, function)

    def deadly(*args):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args)

    setattr(checkpoint.os, function, deadly)
    checkpoint.write(directory, 2, STATE, keep=1)


# Calls of one write: the data file's fsync, replace and directory fsync, then the same for `latest`.
@pytest.mark.parametrize(("function", "call", "expected"), [
    ("fsync", 1, 1), ("replace", 1, 1), ("fsync", 2, 2), ("fsync", 3, 2), ("replace", 2, 2), ("fsync", 4, 2),
])  # fmt: skip
def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path, function, call, expected):
    checkpoint.write(tmp_path, 1, STATE, keep=1)
    child = multiprocessing.get_context("fork").Process(target=die_at, args=(tmp_path, function, call))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    path, data = checkpoint.newest(tmp_path, complain_never)
    assert path.name == f"step-{expected:08d}.pt"
    assert torch.equal(checkpoint.decode(data)["model"]["weight"], STATE["model"]["weight"])
    checkpoint.prepare(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before_and_named_once(tmp_path):
    checkpoint.write(tmp_path, 1, STATE, keep=3)
    newest = checkpoint.write(tmp_path, 2, STATE, keep=3)
    newest.write_bytes(newest.read_bytes()[:-100])
    said: list[str] = []
    path, _ = checkpoint.newest(tmp_path, said.append)
    assert path.name == "step-00000001.pt"
    assert len(said) == 1
    assert "step-00000002.pt" in said[0]
    assert "truncated" in said[0]


def test_a_directory_of_damaged_checkpoints_is_an_error_that_names_them(tmp_path):
    (tmp_path / "step-00000009.pt").write_bytes(b"no checkpoint")
    with pytest.raises(EngineError, match=r"no usable checkpoint.*step-00000009\.pt"):
        checkpoint.newest(tmp_path, [].append)
    assert checkpoint.newest(tmp_path / "nowhere", complain_never) is None


def test_a_file_that_could_run_code_or_is_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "step-00000001.pt"
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(checkpoint.Damaged, match="not a checkpoint"):
        checkpoint.read(path)
    content = io.BytesIO()
    checkpoint._save({"model": pytest.raises}, content)
    path.write_bytes(content.getvalue())
    with pytest.raises(checkpoint.Damaged, match=r"weights_only|Weights only"):
        checkpoint.read(path)


def test_a_newer_format_asks_for_the_newer_engine(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.write(tmp_path, 1, STATE, keep=1)
    monkeypatch.undo()
    with pytest.raises(EngineError, match="format 2"):
        checkpoint.newest(tmp_path, complain_never)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_found_or_harmless(tmp_path, data):
    path = checkpoint.write(tmp_path, 1, STATE, keep=1)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    said: list[str] = []
    try:
        _, kept = checkpoint.newest(tmp_path, said.append)
    except EngineError as error:
        said.append(error.what)
    else:
        state = checkpoint.decode(kept)
        assert torch.equal(state["model"]["weight"], STATE["model"]["weight"])
        assert state["history"] == STATE["history"]
    assert all(str(path) in line for line in said)


def test_a_full_or_forbidden_disk_is_a_clear_error(tmp_path, monkeypatch):
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(EngineError, match="No space left on device"):
        checkpoint.write(tmp_path, 1, STATE, keep=1)
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be used"):
        checkpoint.prepare(tmp_path / "file" / "below")
