"""The command line as a user starts it: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def dlcluster(*args, cwd=None, env=None):
    program = [sys.executable, "-c", "from dlcluster.cli import main; main()", *args]
    return subprocess.run(program, capture_output=True, text=True, cwd=cwd, env=env, timeout=60)


def test_help_names_every_command():
    text = dlcluster("--help").stdout
    for name in ("init", "up", "train", "status", "logs", "exec", "ssh", "cancel", "down", "local"):
        assert f"\n  {name} " in text


def test_help_imports_none_of_the_heavy_packages():
    code = (
        "import sys, dlcluster.cli.app as a\n"
        "print([m for m in ('boto3', 'botocore', 'paramiko', 'rich', 'yaml', 'pydantic', 'torch', 'moto') "
        "if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_version_is_told():
    assert dlcluster("--version").stdout.startswith("dlcluster 0.")


@pytest.mark.parametrize("args", [("nonsense",), ("up", "--no-such-option"), ("train", "--nproc-per-node", "0")])
def test_wrong_usage_ends_with_2(args):
    answer = dlcluster(*args)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


def test_wrong_usage_is_json_where_json_was_asked_for(tmp_path):
    answer = dlcluster("up", "--json", "--no-such-option", cwd=tmp_path)
    assert answer.returncode == 2
    error = json.loads(answer.stdout)["error"]
    assert (error["where"], error["exit_code"]) == ("dlcluster up", 2)
    assert "--no-such-option" in error["what"]
    assert answer.stderr == ""


def test_help_and_version_need_no_json_but_bear_it():
    assert dlcluster("status", "--json", "--help").stdout.startswith("Usage: dlcluster status")


def test_every_command_fits_into_one_line_of_the_help():
    for group in ((), ("local",), ("image",), ("local", "fault"), ("local", "capacity")):
        assert "..." not in dlcluster(*group, "--help").stdout.partition("Commands:")[2]


def test_init_writes_a_file_that_up_understands_and_never_overwrites_one(tmp_path):
    assert dlcluster("init", cwd=tmp_path).returncode == 0
    from dlcluster.config import load_cluster

    assert load_cluster(tmp_path / "cluster.yaml").workers.count == 2
    again = dlcluster("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_wrong_key_names_file_line_and_column(tmp_path):
    (tmp_path / "cluster.yaml").write_text("name: x\nwrokers:\n  count: 3\n")
    answer = dlcluster("status", cwd=tmp_path)
    assert answer.returncode == 2
    assert "cluster.yaml:2:1" in answer.stderr
    assert "workers" in answer.stderr
