"""The boot script as a node gets it: run as an ordinary user with NODE_ROOT, against a fake AWS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dlcluster.config import ClusterConfig
from dlcluster.stack import user_data

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBoot"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node's file system, with a host key as sshd's package leaves it."""
    ssh = tmp_path / "etc/ssh"
    ssh.mkdir(parents=True)
    (ssh / "ssh_host_ed25519_key.pub").write_text(f"{HOST_KEY} root@ip-10-0-0-7\n")
    return tmp_path


def _boot(root: Path, *setup: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = root / "user-data"
    script.write_text(user_data(ClusterConfig(setup=setup), "worker"))
    env = {**os.environ, "NODE_ROOT": str(root), "HOME": str(root), **environment}
    return subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, timeout=60)


def test_a_node_publishes_host_key_and_ready_in_one_call(root, fake_aws):
    done = _boot(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert fake_aws.tags == {"dlcluster:host-key": HOST_KEY, "dlcluster:state": "ready"}
    assert len(fake_aws.calls) == 1


def test_the_agent_on_the_node_is_ours_byte_for_byte(root, fake_aws):
    _boot(root)
    ours = Path(__file__).parents[3] / "dlcluster/node/agent.py"
    assert (root / "opt/dlcluster/agent.py").read_bytes() == ours.read_bytes()


def test_setup_lines_run_in_one_shell_and_in_order(root, fake_aws):
    done = _boot(root, "cd /", "WORD=\"a 'b' $((6 * 7)) \\n @AGENT@\"", 'echo "$PWD $WORD $DLCLUSTER_ROLE"')
    assert done.returncode == 0
    assert (root / "var/log/dlcluster-setup.log").read_text() == "/ a 'b' 42 \\n @AGENT@ worker\n"
    assert fake_aws.tags["dlcluster:state"] == "ready"


def test_setup_is_told_the_python_of_the_image_unless_the_node_has_its_own(root, fake_aws):
    _boot(root, 'echo "$DLCLUSTER_PYTHON"', DLCLUSTER_PYTHON="")
    assert (root / "var/log/dlcluster-setup.log").read_text() == "/opt/pytorch/bin/python\n"
    _boot(root, 'echo "$DLCLUSTER_PYTHON"', DLCLUSTER_PYTHON="/here/python")
    assert (root / "var/log/dlcluster-setup.log").read_text() == "/here/python\n"


def test_a_failing_setup_line_is_published_with_its_last_output(root, fake_aws):
    done = _boot(root, "echo fine", "echo 'E: no package <torhc>' >&2; echo; exit 3", "echo never")
    assert done.returncode == 1
    assert fake_aws.tags == {
        "dlcluster:host-key": HOST_KEY,
        "dlcluster:state": "failed: setup ended with 3: E: no package torhc",
    }


def test_a_failing_pipe_and_a_failing_line_in_the_middle_stop_the_setup(root, fake_aws):
    assert _boot(root, "false | cat", "echo never").returncode == 1
    assert fake_aws.tags["dlcluster:state"] == "failed: setup ended with 1: no output"


def test_a_boot_script_that_cannot_begin_says_so_on_the_console(root, fake_aws):
    (root / "opt").write_text("a file where a directory belongs")
    done = _boot(root)
    assert done.returncode == 1
    assert "dlcluster: failed: exit 1 in line" in done.stderr
    assert "mkdir -p" in done.stderr
    assert fake_aws.tags == {}


def test_the_header_names_cluster_and_role():
    lines = user_data(ClusterConfig(name="demo"), "head").splitlines()
    assert lines[:3] == ["#!/bin/bash", "export DLCLUSTER_CLUSTER=demo", "export DLCLUSTER_ROLE=head"]
