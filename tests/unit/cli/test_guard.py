from __future__ import annotations

import json

import pytest

from dlcluster.cli.guard import command
from dlcluster.errors import Exit, UserError


def run(function, **kwargs):
    with pytest.raises(SystemExit) as caught:
        command(function)(**kwargs)
    return caught.value.code


def failing(error):
    def body(**_):
        raise error

    return body


def test_a_users_error_is_one_message_and_its_exit_code(capsys):
    code = run(failing(UserError("no such node", where="worker-9", hint="dlcluster status", code=Exit.NOT_FOUND)))
    captured = capsys.readouterr()
    assert code == Exit.NOT_FOUND == 66
    assert captured.err == "error: worker-9: no such node\n  hint: dlcluster status\n"
    assert captured.out == ""


def test_with_json_the_error_is_json_on_stdout_and_nothing_else(capsys):
    code = run(failing(UserError("gone", code=Exit.NODE_LOST)), json_=True)
    captured = capsys.readouterr()
    fields = {"what": "gone", "where": "", "hint": "", "exit_code": 75}
    assert json.loads(captured.out) == {"error": fields}
    assert code == 75


def test_a_bug_of_ours_leaves_its_traceback_in_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = run(failing(ZeroDivisionError("oops")))
    err = capsys.readouterr().err
    assert code == Exit.INTERNAL
    assert "unexpected ZeroDivisionError: oops" in err
    assert "Traceback" not in err
    (trace,) = tmp_path.glob("dlcluster-error-*.txt")
    assert str(trace) in err
    assert "Traceback" in trace.read_text()


def test_ctrl_c_ends_with_130():
    assert run(failing(KeyboardInterrupt())) == 130


def test_a_commands_own_exit_code_passes_through():
    assert run(lambda: 3) == 3
    assert run(lambda: None) == 0


def test_what_this_machine_refuses_is_no_bug_of_ours(capsys):
    code = run(failing(PermissionError(13, "Permission denied", "/data/clusters")))
    assert code == Exit.USAGE
    assert "error: /data/clusters: Permission denied" in capsys.readouterr().err
