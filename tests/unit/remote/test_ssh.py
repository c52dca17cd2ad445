"""Connections trust nobody but the published key, and carry commands, streams and files."""

from __future__ import annotations

import socket
import threading

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.remote.fanout import fan_out
from dlcluster.remote.ssh import Gateway, Target


@pytest.fixture
def gateway(server, key):
    with Gateway(server.target(), key) as gateway:
        yield gateway


def test_another_host_key_is_refused_before_any_login(server, key, other_key):
    published = " ".join(other_key.public_key.split()[:2])
    before = list(server.logins)
    with Gateway(server.target(host_key=published), key) as gateway, pytest.raises(UserError) as caught:
        gateway.connect()
    assert caught.value.code == Exit.UNTRUSTED
    assert caught.value.where == "head"
    assert caught.value.what.count("SHA256:") == 2
    assert server.logins == before


def test_a_worker_with_another_host_key_is_refused_though_the_head_is_trusted(gateway, server, other_key):
    published = " ".join(other_key.public_key.split()[:2])
    with pytest.raises(UserError) as caught:
        gateway.connect(server.target("worker-0", host_key=published))
    assert (caught.value.code, caught.value.where) == (Exit.UNTRUSTED, "worker-0")
    assert gateway.connect().run(["true"]).exit_code == 0


def test_a_node_without_a_published_key_is_not_contacted(server, key):
    before = list(server.logins)
    with Gateway(server.target(host_key=None), key) as gateway, pytest.raises(UserError, match="host key"):
        gateway.connect()
    assert server.logins == before


def test_a_refused_key_of_ours_is_told(server, other_key):
    with Gateway(server.target(), other_key) as gateway, pytest.raises(UserError) as caught:
        gateway.connect()
    assert caught.value.code == Exit.DENIED


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_node_that_does_not_answer_is_lost_and_named(server, key, gateway):
    with Gateway(server.target(port=free_port()), key) as dead, pytest.raises(UserError) as caught:
        dead.connect()
    assert (caught.value.code, caught.value.where) == (Exit.NODE_LOST, "head")
    with pytest.raises(UserError) as caught:
        gateway.connect(server.target("worker-3", port=free_port()))
    assert (caught.value.code, caught.value.where) == (Exit.NODE_LOST, "worker-3")


def test_a_port_that_speaks_no_ssh_is_a_lost_node(key, server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 99))
        thread.start()
        target = server.target(port=listener.getsockname()[1])
        with Gateway(target, key) as gateway, pytest.raises(UserError) as caught:
            gateway.connect()
        thread.join()
    assert caught.value.code == Exit.NODE_LOST


def test_commands_keep_arguments_exit_code_and_both_outputs(gateway):
    result = gateway.connect().run(["sh", "-c", 'echo "$1"; echo err >&2; exit 3', "-", "a 'b' $HOME; *"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"a 'b' $HOME; *\n", b"err\n")


def test_much_input_and_output_on_both_sides_never_block(gateway):
    data = bytes(range(256)) * (5 << 12)  # 5 MiB, far over SSH's windows
    result = gateway.connect().run(["sh", "-c", "tee /dev/stderr"], stdin=data)
    assert result.stdout == data
    assert result.stderr == data


def test_input_that_is_not_read_does_no_harm(gateway):
    assert gateway.connect().run(["true"], stdin=b"x" * (4 << 20)).exit_code == 0


def test_a_command_that_a_signal_ended_has_code_255(gateway):
    assert gateway.connect().run(["sh", "-c", "kill -9 $$"]).exit_code == 255


def test_a_command_without_end_is_given_up(gateway):
    with pytest.raises(UserError, match=r"within 0 s|did not end") as caught:
        gateway.connect().run(["sleep", "600"], timeout=0.3)
    assert caught.value.code == Exit.NODE_LOST


def test_a_connection_that_breaks_under_a_command_is_a_lost_node(gateway):
    connection = gateway.connect()
    threading.Timer(0.3, connection.close).start()
    with pytest.raises(UserError) as caught:
        connection.run(["sleep", "600"])
    assert caught.value.code == Exit.NODE_LOST
    assert gateway.connect().run(["echo", "again"]).stdout == b"again\n"


def test_streams_come_as_they_are_written_and_end_with_the_code(gateway):
    stream = gateway.connect().stream(["sh", "-c", "echo one; read line; echo $line; exit 4"], stdin=b"two\n")
    assert b"".join(stream) == b"one\ntwo\n"
    assert stream.exit_code == 4


def test_a_closed_stream_leaves_its_neighbours_alone(gateway):
    connection = gateway.connect()
    endless = connection.stream(["yes"])
    next(iter(endless))
    endless.close()
    assert all(connection.run(["echo", str(number)]).stdout == b"%d\n" % number for number in range(10))


def test_connections_are_shared_by_threads_and_run_through_the_head(gateway, server):
    targets = [server.target(f"worker-{number % 3}") for number in range(12)]
    before = len(server.logins)
    outcomes = fan_out(lambda target: gateway.connect(target).run(["echo", target.name]).stdout, targets)
    assert [outcome.unwrap() for outcome in outcomes] == [f"{target.name}\n".encode() for target in targets]
    assert len(server.logins) - before == 4  # the head and three workers, once each


def test_files_travel_both_ways(gateway, tmp_path):
    connection = gateway.connect()
    (tmp_path / "local").write_bytes(b"\x00file")
    connection.put(tmp_path / "local", str(tmp_path / "one"))
    connection.put(b"bytes" * 100_000, str(tmp_path / "two"))
    assert connection.get(str(tmp_path / "one")) == b"\x00file"
    assert connection.get(str(tmp_path / "two")) == b"bytes" * 100_000
    with pytest.raises(FileNotFoundError):
        connection.get(str(tmp_path / "none"))


def test_leaving_the_gateway_closes_all_connections(server, key):
    with Gateway(server.target(), key) as gateway:
        connections = [gateway.connect(), gateway.connect(server.target("worker-0"))]
    assert not any(connection.alive for connection in connections)
    assert isinstance(connections[0].name, str)
    assert Target("a", "b", 22, None).user == "ubuntu"
