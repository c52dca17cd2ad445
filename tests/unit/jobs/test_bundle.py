"""Bundles: the same files give the same archive, with the engine and the node code beside them."""

from __future__ import annotations

import os
import tarfile

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.jobs.bundle import build, locate


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "code"
    path.mkdir()
    (path / "train.py").write_text("print()")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    return path


def names(bundle) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(bundle.path) as tar:
        return {entry.name: entry for entry in tar.getmembers()}


def test_a_bundle_holds_code_engine_and_node_code(root, tmp_path):
    found = names(build(root, tmp_path))
    for name in ("code/train.py", "engine/dlengine/__init__.py", "node/supervisor.py", "node/agent.py"):
        assert name in found
    assert not any("__pycache__" in name for name in found)


def test_the_same_files_give_the_same_archive_at_any_time(root, tmp_path):
    first = build(root, tmp_path)
    os.utime(root / "train.py", (1, 1))
    later = build(root, tmp_path)
    assert (first.sha256, first.size) == (later.sha256, later.size)
    (root / "train.py").write_text("print(1)")
    assert build(root, tmp_path).sha256 != first.sha256


def test_modes_are_kept_times_and_owners_are_not(root, tmp_path):
    entry = names(build(root, tmp_path))["code/run.sh"]
    assert (entry.mode, entry.mtime, entry.uid, entry.uname) == (0o755, 0, 0, "")


def test_links_inside_travel_and_links_out_are_refused(root, tmp_path):
    (root / "data").mkdir()
    (root / "data" / "here").symlink_to("../train.py")
    (root / "absolute").symlink_to(root / "data")
    found = names(build(root, tmp_path))
    assert found["code/data/here"].linkname == "../train.py"
    assert found["code/absolute"].linkname == "data"
    (root / "out").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="points out of"):
        build(root, tmp_path)


def test_too_much_code_is_refused_with_its_biggest_files(root, tmp_path):
    (root / "weights.bin").write_bytes(os.urandom(3 << 20))
    with pytest.raises(UserError) as caught:
        build(root, tmp_path, limit=1 << 20)
    assert "weights.bin (3.1 MB)" in caught.value.what
    assert ".dlclusterignore" in caught.value.hint


def test_an_ignored_script_is_refused(root, tmp_path):
    (root / ".gitignore").write_text("train.py\n")
    with pytest.raises(UserError, match="left out"):
        build(root, tmp_path, script="train.py")


def test_an_unreadable_file_is_named(root, tmp_path, monkeypatch):
    import dlcluster.jobs.bundle as module

    def refuse(tar, name, path, top):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "_add", refuse)
    with pytest.raises(UserError, match="Permission denied") as caught:
        build(root, tmp_path)
    assert caught.value.where == str(root / "run.sh")


@pytest.mark.parametrize(
    ("script", "where", "expected"),
    [("code/train.py", ".", (".", "code/train.py")), ("../code/train.py", "other", ("code", "train.py"))],
)
def test_the_root_is_where_the_user_stands_if_the_script_is_below(root, tmp_path, script, where, expected):
    (tmp_path / "other").mkdir()
    assert locate(script, tmp_path / where) == ((tmp_path / expected[0]).resolve(), expected[1])


@pytest.mark.parametrize(("script", "what"), [("none.py", "no such file"), (".", "a directory")])
def test_a_missing_script_is_told(root, script, what):
    with pytest.raises(UserError, match=what) as caught:
        locate(script, root)
    assert caught.value.code == Exit.NOT_FOUND


def test_an_unchanged_bundle_is_not_uploaded_again(site):
    first, second = site.submit("print(1)"), None
    site.follow(first)
    second = site.submit("print(1)")
    site.follow(second)
    assert [key for key in site.store.puts if key.startswith("bundles/")] == [f"bundles/{first.bundle}.tar.gz"]
    assert second.bundle == first.bundle


def test_what_a_script_writes_beside_itself_does_not_reach_the_next_job(site):
    source = "import os\nprint(sorted(os.listdir('.')))\nopen('left', 'w').close()"
    assert site.follow(site.submit(source))[1] == site.follow(site.submit(source))[1] == "['train.py']\n"


def test_a_file_that_cannot_be_run_is_refused_before_anything_is_shipped(tmp_path):
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(UserError, match="neither a Python script nor a program"):
        locate("run", tmp_path)
    program.chmod(0o755)
    assert locate("run", tmp_path) == (tmp_path.resolve(), "run")
