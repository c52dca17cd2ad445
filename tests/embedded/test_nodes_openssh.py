"""OpenSSH's own clients against a node."""

from __future__ import annotations

import filecmp

import pytest


@pytest.fixture(scope="module")
def node(lab):
    return lab.node()


@pytest.fixture
def client(openssh, node):
    return openssh(node)


def test_ssh_runs_a_command_and_ends_with_its_status(client):
    done = client("ssh node 'cat; exit 6'", b"data")
    assert (done.returncode, done.stdout, done.stderr) == (6, b"data", b"")


def test_ssh_gives_a_terminal(client):
    done = client("ssh -tt node 'test -t 0 && test -t 1 && echo terminal'")
    assert (done.returncode, done.stdout) == (0, b"terminal\r\n")


def test_ssh_logs_in_to_a_shell_with_the_nodes_name_in_its_prompt(client, node):
    done = client("ssh -tt node", b"exit 4\n")
    assert done.returncode == 4
    assert f"ubuntu@ip-{node.instance.private_ip.replace('.', '-')}:~".encode() in done.stdout


def test_a_command_ends_when_nobody_reads_its_output_any_more(client):
    with client.start("ssh node yes") as process:
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(timeout=30) != 0


def test_another_host_key_is_refused(client, node):
    known = client.directory / "known_hosts"
    other = node.layout.host_key.with_suffix(".pub").read_text().split()[1]
    known.write_text(known.read_text().replace(other, other[:-6] + "AAAAAA"))
    done = client("ssh node true")
    assert done.returncode == 255
    assert b"verification failed" in done.stderr


@pytest.mark.parametrize("protocol", ["", "-O"])
class TestScp:
    """scp speaks sftp by default and its own old protocol with -O."""

    def test_a_file_goes_to_the_home_directory_and_comes_back(self, client, node, protocol):
        source = client.directory / "data"
        source.write_bytes(bytes(range(256)) * 5000)
        sent = client(f"scp {protocol} data node:sent")
        assert (sent.returncode, sent.stderr) == (0, b"")
        assert filecmp.cmp(source, node.layout.home / "sent", shallow=False)
        back = client(f"scp {protocol} node:/home/ubuntu/sent back")
        assert (back.returncode, back.stderr) == (0, b"")
        assert filecmp.cmp(source, client.directory / "back", shallow=False)

    def test_a_directory_goes_and_comes_back(self, client, node, protocol):
        (client.directory / "tree/deep").mkdir(parents=True)
        (client.directory / "tree/deep/file").write_text("x")
        assert client(f"scp -rp {protocol} tree node:tree{protocol}").returncode == 0
        assert (node.layout.home / f"tree{protocol}/deep/file").read_text() == "x"
        assert client(f"scp -r {protocol} node:tree{protocol} again").returncode == 0
        assert (client.directory / "again/deep/file").read_text() == "x"

    def test_a_missing_file_is_an_error(self, client, protocol):
        done = client(f"scp {protocol} node:nowhere back")
        assert done.returncode == 1
        assert b"No such file" in done.stderr

    def test_a_missing_directory_is_an_error(self, client, protocol):
        (client.directory / "data").write_text("x")
        assert client(f"scp {protocol} data node:nowhere/at/all").returncode == 1


def test_scp_that_a_user_starts_on_a_node_is_a_command_like_any_other(client):
    done = client("ssh node 'scp .bashrc copy && cat copy'")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"PS1=")


def test_sftp_lists_sends_and_fetches(client, node):
    (client.directory / "data").write_text("hello")
    done = client("sftp -b - node", b"pwd\nput data kept\nget kept back\nrename kept moved\nls\n")
    assert done.returncode == 0, done.stderr
    assert b"Remote working directory: /home/ubuntu" in done.stdout
    assert b"moved" in done.stdout
    assert (client.directory / "back").read_text() == "hello"
    assert (node.layout.home / "moved").read_text() == "hello"


def test_a_failing_sftp_batch_ends_with_an_error(client):
    assert client("sftp -b - node", b"get nowhere\n").returncode == 1


def test_a_node_is_reached_through_another(client, lab, node):
    worker = lab.node()
    address, port = worker.instance.private_ip, lab.site.ssh_port
    key = worker.layout.host_key.with_suffix(".pub").read_text().strip()
    with (client.directory / "known_hosts").open("a") as file:
        file.write(f"[{address}]:{port} {key}\n")
    with (client.directory / "config").open("a") as file:
        identity = lab.keys.path
        file.write(
            f"Host {address}\n  Port {port}\n  User ubuntu\n  IdentityFile {identity}\n  ProxyJump node\n"
            f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {client.directory / 'known_hosts'}\n  LogLevel ERROR\n"
        )
    done = client(f"ssh {address} 'cat $NODE_ROOT/etc/hostname'")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().strip() == f"ip-{address.replace('.', '-')}"
