"""Parts of a node that need no process: paths, metadata, scp commands, the sweep."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dlcluster.local.aws.compute import Instance
from dlcluster.local.nodes.documents import documents, lookup
from dlcluster.local.nodes.layout import CONSOLE_BYTES, Layout
from dlcluster.local.nodes.session import is_scp_server
from dlcluster.local.nodes.sftp import NodeFiles
from dlcluster.local.nodes.sweep import sweep


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "i-1")
    layout.create("127.1.0.4")
    return layout


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("scp -t .", True),
        ("scp -r -p -f dir", True),
        ("scp -rt 'a b'", True),
        ("scp file other:", False),
        ("scp --target x", False),
        ("scp 'unfinished", False),
        ("echo scp -t .", False),
        ("", False),
    ],
)
def test_scp_as_a_server_is_told_from_scp_as_a_command(command, expected):
    assert is_scp_server(command) is expected


@pytest.mark.parametrize(
    ("asked", "below_root", "shown"),
    [
        ("a/b", "home/ubuntu/a/b", "/home/ubuntu/a/b"),
        (".", "home/ubuntu", "/home/ubuntu"),
        ("/", "", "/"),
        ("/tmp/x", "tmp/x", "/tmp/x"),
        ("../../../../../../etc", "etc", "/etc"),
        ("/home/../etc", "etc", "/etc"),
    ],
)
def test_paths_of_files(layout, asked, below_root, shown):
    files = NodeFiles(SimpleNamespace(logger=None), layout)
    root = os.path.realpath(layout.root)
    inside = files.map_path(asked.encode()).decode()
    assert inside.rstrip("/") == os.path.join(root, below_root).rstrip("/")
    assert files.reverse_map_path(inside.encode()).decode() == shown
    assert files.map_path(inside.encode()).decode() == inside


def test_a_directory_is_made_once_and_keeps_its_host_key(layout):
    key = layout.host_key.read_bytes()
    (layout.home / "kept").write_text("x")
    layout.create("127.1.0.4")
    assert layout.host_key.read_bytes() == key
    assert (layout.home / "kept").exists()
    assert oct(layout.host_key.stat().st_mode & 0o777) == "0o600"
    assert (layout.root / "etc/hosts").read_text().endswith("127.1.0.4 ip-127-1-0-4\n")
    layout.remove()
    assert not layout.directory.exists()


def test_the_console_is_the_end_of_the_boot_log(layout):
    assert layout.console() == ""
    layout.boot_log.write_bytes(b"x" * CONSOLE_BYTES + b"\xffend")
    assert layout.console().endswith("�end")
    assert len(layout.console()) == CONSOLE_BYTES


def test_metadata_is_a_tree():
    instance = Instance(
        id="i-1", region="us-east-1", state="running", availability_zone="us-east-1a", private_ip="127.1.0.4",
        public_ip=None, key_material=None, user_data=b"", instance_type="t3.micro", image_id="ami-1", tags={},
        profile_arn=None, launch_time=datetime(2026, 11, 24, tzinfo=UTC),
    )  # fmt: skip
    tree = documents(instance, account_id="1", credentials=dict)
    assert lookup(tree, "") == b"dynamic/\nmeta-data/"
    assert lookup(tree, "meta-data/placement") == b"availability-zone\nregion"
    assert lookup(tree, "/meta-data/hostname/") == b"ip-127-1-0-4.ec2.internal"
    assert lookup(tree, "meta-data/public-ipv4") is None
    assert lookup(tree, "meta-data/spot/") is None
    assert lookup(tree, "meta-data/iam/security-credentials/") is None
    assert lookup(tree, "meta-data/insta") is None
    assert lookup(tree, "user-data") is None


def test_the_sweep_kills_what_belongs_to_old_nodes_and_nothing_else(layout, tmp_path):
    def sleeper(root):
        return subprocess.Popen(["sleep", "900"], env={"PATH": os.environ["PATH"], "NODE_ROOT": str(root)})

    old, other = sleeper(layout.root), sleeper(tmp_path.with_name(tmp_path.name + "x") / "i-1/root")
    try:
        assert sweep(tmp_path) == [old.pid]
        assert old.wait(10) == -9
        assert other.poll() is None
        assert not layout.directory.exists()
    finally:
        other.kill()
        other.wait()
