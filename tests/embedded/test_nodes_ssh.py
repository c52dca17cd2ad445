"""A node's SSH server as paramiko sees it: what runs, what comes back, who gets in."""

from __future__ import annotations

import hashlib
import time

import asyncssh
import paramiko
import pytest


@pytest.fixture(scope="module")
def node(lab):
    return lab.node()


@pytest.fixture
def ssh(lab, node):
    with lab.connect(node) as connection:
        yield connection


def run(ssh, command, stdin=b""):
    """(exit status, stdout, stderr)"""
    channel = ssh.get_transport().open_session()
    channel.exec_command(command)
    channel.sendall(stdin)
    channel.shutdown_write()
    out = channel.makefile("rb").read()
    err = channel.makefile_stderr("rb").read()
    return channel.recv_exit_status(), out, err


def test_a_command_has_its_output_its_errors_and_its_status(ssh):
    assert run(ssh, "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")


def test_a_command_starts_at_home_with_the_environment_of_a_node(ssh, node, lab):
    status, out, _ = run(ssh, 'echo "$PWD|$HOME|$USER|$NODE_ROOT|$AWS_ENDPOINT_URL|$SSH_CONNECTION"')
    home, address = str(node.layout.home), node.instance.private_ip
    parts = out.decode().strip().split("|")
    assert status == 0
    assert parts[:5] == [home, home, "ubuntu", str(node.layout.root), "http://127.0.0.1:9"]
    assert parts[5].endswith(f"{address} {lab.site.ssh_port}")


def run_again(lab, node, command):
    """Exit status of a command over a connection of its own."""
    with lab.connect(node) as connection:
        return run(connection, command)[0]


def test_nothing_of_the_users_own_environment_reaches_a_node(lab, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    with lab.connect(lab.node()) as connection:
        assert b"real" not in run(connection, "env")[1]


def test_a_command_killed_by_a_signal_has_no_exit_status(ssh):
    assert run(ssh, "kill -TERM $$")[0] == -1  # paramiko's word for an exit signal


@pytest.mark.parametrize(("number", "name"), [(15, "TERM"), (9, "KILL"), (40, "SIG@openssh.com")])
def test_an_exit_signal_has_the_name_that_openssh_sends(lab, node, number, name):
    async def ask():
        where = {"host": node.instance.private_ip, "port": lab.site.ssh_port, "username": "ubuntu"}
        keys = {"client_keys": [str(lab.keys.path)], "known_hosts": None, "config": None}
        async with asyncssh.connect(**where, **keys) as connection:
            return await connection.run(f"kill -{number} $$")

    assert lab.do(ask()).exit_signal[0] == name


def test_standard_input_ends_when_the_client_ends_it(ssh):
    assert run(ssh, "cat; echo end", b"data\n") == (0, b"data\nend\n", b"")


def test_a_shell_without_a_terminal_reads_commands_from_its_input(ssh):
    channel = ssh.get_transport().open_session()
    channel.invoke_shell()
    channel.sendall(b"echo hello\nexit 3\n")
    assert channel.makefile("rb").read() == b"hello\n"
    assert channel.recv_exit_status() == 3


def test_large_output_arrives_whole(ssh):
    size = 50_000_000
    command = f"head -c {size} /dev/zero | tr '\\0' x"
    status, out, _ = run(ssh, command)
    assert (status, len(out)) == (0, size)
    assert out.count(b"x") == size


def test_large_input_arrives_whole(ssh):
    data = bytes(range(256)) * 40_000
    status, out, _ = run(ssh, "sleep 0.2; sha256sum", data)
    assert (status, out.split()[0].decode()) == (0, hashlib.sha256(data).hexdigest())


def test_input_for_a_command_that_does_not_read_it_is_dropped(ssh):
    channel = ssh.get_transport().open_session()
    channel.exec_command("exec 0<&-; echo done")
    assert channel.makefile("rb").read() == b"done\n"
    assert channel.recv_exit_status() == 0


def test_a_slow_reader_slows_the_command_down_and_loses_nothing(ssh):
    channel = ssh.get_transport().open_session(window_size=1 << 16)
    channel.exec_command("head -c 3000000 /dev/zero; echo sent >&2")
    time.sleep(0.3)
    assert not channel.recv_stderr_ready()
    assert len(channel.makefile("rb").read()) == 3_000_000
    assert channel.recv_exit_status() == 0


def test_closing_one_command_amid_its_output_leaves_the_others_alone(lab, node):
    for _ in range(15):
        with lab.connect(node) as connection:
            noisy = connection.get_transport().open_session()
            noisy.exec_command("yes")
            quiet = connection.get_transport().open_session()
            quiet.exec_command("sleep 0.1; echo here; exit 5")
            noisy.recv(1000)
            noisy.close()
            assert quiet.makefile("rb").read() == b"here\n"
            assert quiet.recv_exit_status() == 5


def test_forgetting_the_other_streams_of_a_command_loses_no_output(ssh):
    answers = [ssh.exec_command(f"echo {number}")[1].read() for number in range(60)]
    assert answers == [f"{number}\n".encode() for number in range(60)]


def test_a_detached_child_does_not_hold_the_channel(ssh, node):
    assert run(ssh, "setsid sleep 600 & echo started")[:2] == (0, b"started\n")
    assert run(ssh, "setsid sleep 601 > /dev/null 2>&1 < /dev/null & echo started")[:2] == (0, b"started\n")


def test_what_a_child_still_writes_after_its_parent_ended_arrives(ssh):
    assert run(ssh, "(sleep 0.3; echo late) & echo early")[1] == b"early\nlate\n"


def test_a_command_is_hung_up_when_its_client_leaves(lab, node, tools):
    with lab.connect(node) as connection:
        channel = connection.get_transport().open_session()
        channel.exec_command("echo $$; exec sleep 602")
        pid = int(channel.recv(100))
        assert tools.alive(pid)
    tools.wait_until(lambda: not tools.alive(pid), "the command is gone")


def test_a_detached_command_stays_when_its_client_leaves(lab, node, tools):
    with lab.connect(node) as connection:
        out = run(connection, "setsid sleep 603 >/dev/null 2>&1 </dev/null & echo $!")[1]
    assert tools.alive(int(out))
    assert run_again(lab, node, f"kill -0 {int(out)}") == 0


def send_signal(ssh, channel, name):
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)
    message.add_string(name)
    ssh.get_transport()._send_user_message(message)


def test_a_signal_sent_at_once_is_not_lost_while_the_command_starts(ssh):
    channel = ssh.get_transport().open_session()
    channel.settimeout(30)
    channel.exec_command("sleep 604")
    send_signal(ssh, channel, "INT")
    assert channel.makefile("rb").read() == b""


def test_a_signal_reaches_the_command(ssh):
    channel = ssh.get_transport().open_session()
    channel.exec_command("trap 'echo got it; exit 9' INT; echo ready; while :; do sleep 0.05; done")
    assert channel.recv(100) == b"ready\n"
    send_signal(ssh, channel, "INT")
    assert channel.makefile("rb").read() == b"got it\n"
    assert channel.recv_exit_status() == 9


def test_a_terminal_has_its_size_and_tells_of_a_new_one(ssh):
    channel = ssh.get_transport().open_session()
    channel.get_pty("xterm", width=101, height=37)
    channel.exec_command("trap 'stty size; exit 4' WINCH; stty size; echo $TERM; tty; while :; do sleep 0.05; done")
    out = channel.makefile("rb")
    assert out.readline() == b"37 101\r\n"
    assert out.readline() == b"xterm\r\n"
    assert out.readline().startswith(b"/dev/pts/")
    channel.resize_pty(width=80, height=25)
    assert out.readline() == b"25 80\r\n"
    assert channel.recv_exit_status() == 4


def test_control_c_in_a_terminal_interrupts_the_command(ssh):
    channel = ssh.get_transport().open_session()
    channel.get_pty()
    channel.exec_command("trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done")
    assert channel.recv(100) == b"ready\r\n"
    channel.sendall(b"\x03")
    assert channel.recv_exit_status() == 8


def test_closing_a_terminal_hangs_its_command_up(lab, node, tools):
    with lab.connect(node) as connection:
        channel = connection.get_transport().open_session()
        channel.get_pty()
        channel.exec_command("echo $$; exec sleep 604")
        pid = int(channel.recv(100))
    tools.wait_until(lambda: not tools.alive(pid), "the command is gone")


def test_only_the_instances_key_and_user_get_in(lab, node, keys):
    with pytest.raises(paramiko.AuthenticationException):
        lab.connect(node, pkey=paramiko.RSAKey.generate(2048))
    with pytest.raises(paramiko.AuthenticationException):
        lab.connect(node, username="root")
    with pytest.raises(paramiko.SSHException):
        lab.connect(node, pkey=None, password="secret")


def test_an_instance_without_a_key_pair_lets_nobody_in(lab):
    with pytest.raises(paramiko.AuthenticationException):
        lab.connect(lab.node(key_material=None))


def test_a_worker_is_reached_through_the_head_and_the_head_survives_its_connections(lab, node):
    worker = lab.node()
    with lab.connect(node) as head:
        for _ in range(10):
            route = (worker.instance.private_ip, lab.site.ssh_port)
            channel = head.get_transport().open_channel("direct-tcpip", route, ("127.0.0.1", 0))
            with lab.connect(worker, sock=channel) as connection:
                assert run(connection, "cat $NODE_ROOT/etc/hostname")[1].decode().startswith("ip-127-1-")
        assert run(head, "echo alive")[1] == b"alive\n"


def test_late_packets_of_a_closed_channel_do_not_end_the_connection(ssh):
    channel = ssh.get_transport().open_session()
    channel.exec_command("cat")
    number = channel.remote_chanid
    channel.close()
    for _ in range(3):
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_CHANNEL_DATA)
        message.add_int(number)
        message.add_string("late")
        ssh.get_transport()._send_user_message(message)
        assert run(ssh, "echo alive")[1] == b"alive\n"


def test_one_connection_has_as_many_sessions_as_openssh_allows(ssh, tools):
    def another():
        try:
            return ssh.get_transport().open_session()
        except paramiko.ChannelException:
            return None

    channels = [another() for _ in range(11)]
    assert all(channels[:10])
    assert channels[10] is None
    channels[0].close()
    tools.wait_until(another, "there is room for another session")


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "0.0.0.0"])
def test_a_node_is_no_way_out_to_the_network(ssh, host):
    with pytest.raises(paramiko.ChannelException):
        ssh.get_transport().open_channel("direct-tcpip", (host, 22), ("127.0.0.1", 0))


def test_a_refused_connection_behind_a_node_is_refused_to_the_client(ssh, node):
    with pytest.raises(paramiko.ChannelException):
        ssh.get_transport().open_channel("direct-tcpip", (node.instance.private_ip, 1), ("127.0.0.1", 0))


def test_files_over_sftp_have_the_nodes_own_paths(ssh, node):
    sftp = ssh.open_sftp()
    assert sftp.normalize(".") == "/home/ubuntu"
    with sftp.open("notes.txt", "w") as file:
        file.write("hello")
    assert (node.layout.home / "notes.txt").read_text() == "hello"
    assert sftp.open("/home/ubuntu/notes.txt").read() == b"hello"
    assert sftp.open(str(node.layout.home / "notes.txt")).read() == b"hello"
    assert sftp.open("/etc/hostname").read().startswith(b"ip-127-1-")
    assert set(sftp.listdir("/etc")) == {"ssh", "hostname", "hosts"}
    with pytest.raises(FileNotFoundError):
        sftp.open("/etc/passwd")
    with pytest.raises(FileNotFoundError):
        sftp.open("../../../../../etc/passwd")


def test_a_stopped_node_drops_its_connections(lab, tools):
    node = lab.node()
    connection = lab.connect(node)
    _, out, _ = connection.exec_command("echo $$; exec sleep 605")
    pid = int(out.readline())
    lab.do(node.stop())
    assert not tools.alive(pid)
    tools.wait_until(lambda: not connection.get_transport().is_active(), "the connection is gone")
