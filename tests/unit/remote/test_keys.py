"""Key pairs and the files for the OpenSSH client."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.remote import openssh
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.keys import ensure_key, load_key


def test_a_key_is_made_once_and_private(tmp_path):
    first = ensure_key(tmp_path / "new")
    assert first == ensure_key(tmp_path / "new") == load_key(tmp_path / "new")
    assert first.public_key.startswith("ssh-ed25519 AAAA")
    assert os.stat(first.path).st_mode & 0o777 == 0o600
    assert os.stat(first.path.parent).st_mode & 0o777 == 0o700
    assert os.listdir(first.path.parent) == ["id_ed25519"]


def test_two_at_once_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(ensure_key, [tmp_path] * 8))
    assert len(keys) == 1


def test_a_directory_without_a_key_has_none(tmp_path):
    assert load_key(tmp_path) is None


def test_a_key_that_others_can_read_is_refused_with_the_command_to_repair_it(tmp_path):
    key = ensure_key(tmp_path)
    key.path.chmod(0o640)
    with pytest.raises(UserError) as caught:
        load_key(tmp_path)
    assert caught.value.code == Exit.DENIED
    assert caught.value.hint == f"chmod 600 {key.path}"


def test_a_broken_key_is_named(tmp_path):
    (tmp_path / "id_ed25519").write_text("nonsense")
    (tmp_path / "id_ed25519").chmod(0o600)
    with pytest.raises(UserError, match="id_ed25519: not a usable private key"):
        load_key(tmp_path)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")
def test_openssh_takes_the_written_files_and_checks_the_host_key(server, key, other_key, tmp_path):
    directory = tmp_path / "a 100% dir"
    directory.mkdir()
    config = openssh.write_config(directory, "demo", server.target(), [server.target("worker-0")], key)
    assert all(os.stat(path).st_mode & 0o777 == 0o600 for path in directory.iterdir())

    def ssh(node: str) -> subprocess.CompletedProcess[str]:
        argv = openssh.argv(config, node, ["echo", "hello"])
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    assert [ssh(node).stdout for node in ("head", "worker-0")] == ["hello\n", "hello\n"]
    wrong = server.target("worker-0", host_key=" ".join(other_key.public_key.split()[:2]))
    openssh.write_config(directory, "demo", server.target(), [wrong], key)
    refused = ssh("worker-0")
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr


def test_nodes_without_a_published_key_are_not_in_the_files(server, key, tmp_path):
    config = openssh.write_config(tmp_path, "demo", server.target(), [server.target("worker-0", host_key=None)], key)
    assert "worker-0" not in config.read_text() + (tmp_path / "known_hosts").read_text()


def test_fan_out_keeps_order_and_every_error():
    def half(number: int) -> float:
        if number % 2:
            raise ValueError(number)
        return number / 2

    outcomes = fan_out(half, list(range(50)), limit=7)
    assert [outcome.item for outcome in outcomes] == list(range(50))
    assert [outcome.value for outcome in outcomes if not outcome.error] == [number / 2 for number in range(0, 50, 2)]
    with pytest.raises(ValueError, match="49"):
        outcomes[-1].unwrap()
    assert fan_out(half, []) == []
