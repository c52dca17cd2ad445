"""Ignore files mean what they mean to git: every case is put to `git check-ignore` as well."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dlcluster.jobs.bundle import code_files
from dlcluster.jobs.ignore import Rules, parse

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge of this test")

TREE = ["a/b", "a/a", "a/ab/b.log", "ab", "b.log", "b/a.b", "-", "b/a/b", "b/b/a/b.log", "a b", "[", "b/["]
PIECES = [
    "a",
    "b",
    "*",
    "**",
    "***",
    "?",
    "/",
    ".",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-b]",
    "[]]",
    "[[:alpha:]]",
    "\\",
    " ",
    "!",
]
PIECES += ["log", "[", "]", "#", "-", "\\ ", "\\*", "[b-a]", "[a-]", "[\\]]"]
LINES = st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=4)


def ours(lines: list[str], path: str) -> bool:
    rules = Rules((("", tuple(parse(lines))),))
    parts = path.split("/")
    parents = ["/".join(parts[:end]) for end in range(1, len(parts))]
    return any(rules.ignored(parent, True) for parent in parents) or rules.ignored(path, False)


def git(root: Path, *args: str, **options) -> subprocess.CompletedProcess:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(root)}
    return subprocess.run(["git", "-C", str(root), *args], env=env, capture_output=True, check=False, **options)


def gits(root: Path, paths: list[str]) -> set[str]:
    asked = "".join(path + "\0" for path in paths).encode()
    answer = git(root, "check-ignore", "--no-index", "--stdin", "-z", input=asked)
    assert answer.returncode in {0, 1}, answer.stderr
    return set(answer.stdout.decode().split("\0")) - {""}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("judge")
    git(root, "init", "-q")
    return root


@needs_git
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
@example(lines=["a/**"])
@example(lines=["**/b"])
@example(lines=["a/**/b"])
@example(lines=["/a", "!/a/b"])
@example(lines=["*", "!*/", "!*.log"])
@example(lines=["b.log\\"])
@example(lines=["a\\ b", "\\#", "\\!a"])
@example(lines=["a b  "])
@example(lines=["a/"])
@example(lines=["[[:alpha:]]"])
def test_patterns_ignore_what_git_ignores(repository, lines):
    (repository / ".gitignore").write_text("\n".join(lines) + "\n")
    assert {path for path in TREE if ours(lines, path)} == gits(repository, TREE)


def test_comments_and_blank_lines_are_no_patterns():
    assert parse(["# a", "", "   ", "/"]) == []


def files(root: Path) -> list[str]:
    return [name for name, _ in code_files(root)]


def write(root: Path, **contents: str) -> None:
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_nested_ignore_files_count_from_their_own_directory(tmp_path):
    write(tmp_path, _dot_gitignore="*.log\n", x_dot_log="", sub___dot_gitignore="/keep\n!y.log\n", sub__keep="")
    write(tmp_path, sub__y_dot_log="", sub__deep__keep="", keep="")
    assert files(tmp_path) == [".gitignore", "keep", "sub/.gitignore", "sub/deep/keep", "sub/y.log"]


def test_the_dlclusterignore_file_has_the_last_word(tmp_path):
    write(tmp_path, _dot_gitignore="secret\n", _dot_dlclusterignore="!secret\ndata/\n", secret="", data__big="")
    assert files(tmp_path) == [".dlclusterignore", ".gitignore", "secret"]


def test_rules_above_the_bundle_hold_as_far_as_the_work_tree_goes(tmp_path):
    write(tmp_path, _dot_gitignore="*.py\n", repo___dot_gitignore="*.tmp\n/project/out\n")
    write(tmp_path, repo__project__a_dot_py="", repo__project__b_dot_tmp="", repo__project__out="")
    (tmp_path / "repo" / ".git").mkdir()
    assert files(tmp_path / "repo" / "project") == ["a.py"]


def test_some_directories_never_travel(tmp_path):
    write(tmp_path, _dot_git__config="", _dot_venv__x="", __pycache____x="", a__dlcluster_outputs="")
    for name in (".git", ".venv", "a/__pycache__", "dlcluster-outputs"):
        (tmp_path / name).mkdir(exist_ok=True, parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "train.py").touch()
    assert [name for name in files(tmp_path) if "file" in name] == []
    assert "train.py" in files(tmp_path)
