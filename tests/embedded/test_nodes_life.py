"""A node boots, runs its user data, tells what it is, and takes every process with it when it goes."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal

import pytest
from botocore.utils import InstanceMetadataFetcher, InstanceMetadataRegionFetcher

from dlcluster.local.aws.instance import MetadataOptions

# Three ways for a process to leave its parent, its session and its environment.
ESCAPE = """
setsid setsid env -i /bin/sleep 700 > /dev/null 2>&1 &
(setsid sh -c 'sleep 701 & sleep 702; true' > /dev/null 2>&1 &)
nohup sleep 703 > /dev/null 2>&1 &
"""


def booted(lab, tools, node):
    """The boot log when user data has ended."""
    return tools.wait_until(
        lambda: node._boot.done() and lab.compute.console.get(node.instance.id), "the user data has ended"
    )


def script(text: str) -> bytes:
    return f"#!/bin/bash\n{text}\n".encode()


class TestUserData:
    def test_a_script_runs_with_the_nodes_environment_and_its_output_is_the_console_output(self, lab, tools):
        node = lab.node(user_data=script('echo "$HOME $NODE_ROOT"; test -x "$DLCLUSTER_PYTHON" && pwd; echo err >&2'))
        text = booted(lab, tools, node)
        assert text == f"{node.layout.home} {node.layout.root}\n/\nerr\n"
        assert node.layout.boot_log.read_text() == text

    def test_compressed_user_data_is_unpacked(self, lab, tools):
        node = lab.node(user_data=gzip.compress(script("echo unpacked")))
        assert booted(lab, tools, node) == "unpacked\n"

    def test_damaged_compressed_user_data_says_so(self, lab, tools):
        node = lab.node(user_data=gzip.compress(script("echo never"))[:-12])
        assert "cannot be run" in booted(lab, tools, node)

    def test_a_failing_script_says_so(self, lab, tools):
        node = lab.node(user_data=script("echo before; exit 3"))
        assert booted(lab, tools, node) == "before\ncloud-init: the user data ended with exit code 3\n"

    def test_what_is_no_script_is_not_run_and_the_console_says_why(self, lab, tools):
        node = lab.node(user_data=b"#cloud-config\npackages: [git]\n")
        assert "only scripts that begin with #!" in booted(lab, tools, node)

    def test_a_script_for_an_interpreter_that_is_missing_says_so(self, lab, tools):
        node = lab.node(user_data=b"#!/no/such/interpreter\n")
        assert "cannot be run" in booted(lab, tools, node)

    def test_ssh_answers_while_user_data_runs_and_the_console_follows(self, lab, tools):
        node = lab.node(user_data=script("echo begun; while ! test -e $HOME/go; do sleep 0.05; done; echo ended"))
        tools.wait_until(lambda: lab.compute.console.get(node.instance.id) == "begun\n", "the console follows")
        with lab.connect(node) as connection:
            connection.exec_command("touch go")[1].read()
        assert booted(lab, tools, node) == "begun\nended\n"


class TestDeath:
    def escaped(self, lab, tools, node):
        """Process ids of the processes that have left the command which started them."""
        with lab.connect(node) as connection:
            connection.exec_command(ESCAPE)[1].read()
        init = node.init.booted.result()
        return tools.wait_until(
            lambda: len(found := [pid for pid in descendants(init) if sleeps(pid)]) == 4 and found,
            "the processes have left their parent",
        )

    def test_every_process_dies_with_its_node(self, lab, tools):
        node, other = lab.node(), lab.node()
        survivors = self.escaped(lab, tools, other)
        pids = self.escaped(lab, tools, node)
        lab.do(node.stop())
        assert not [pid for pid in pids if tools.alive(pid)]
        assert all(tools.alive(pid) for pid in survivors)
        assert node.instance.id not in lab.dead

    def test_a_node_whose_init_was_stopped_still_dies(self, lab, tools):
        node = lab.node()
        pids = self.escaped(lab, tools, node)
        os.kill(node.init.booted.result(), signal.SIGSTOP)
        lab.do(node.stop())
        tools.wait_until(lambda: not [pid for pid in pids if tools.alive(pid)], "its processes are gone")

    def test_a_killed_init_takes_its_processes_along_and_the_daemon_learns_of_it(self, lab, tools):
        node = lab.node()
        pids = self.escaped(lab, tools, node)
        os.kill(node.init.booted.result(), signal.SIGKILL)
        tools.wait_until(lambda: node.instance.id in lab.dead, "the death is known")
        tools.wait_until(lambda: not [pid for pid in pids if tools.alive(pid)], "its processes are gone")
        with pytest.raises(OSError, match="down"):
            lab.do(node.init.request({}))

    def test_a_killed_zygote_ends_all_nodes_and_new_ones_still_start(self, lab, tools):
        node = lab.node()
        pids = self.escaped(lab, tools, node)
        os.kill(parent(node.init.booted.result()), signal.SIGKILL)
        tools.wait_until(lambda: node.instance.id in lab.dead, "the death is known")
        tools.wait_until(lambda: not [pid for pid in pids if tools.alive(pid)], "its processes are gone")
        with lab.connect(lab.node()) as connection:
            assert connection.exec_command("echo new")[1].read() == b"new\n"


def stat(pid):
    """Fields of /proc/PID/stat after the name: state, parent, ..."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0"]


def parent(pid):
    return int(stat(pid)[1])


def sleeps(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return "sleep" in file.read().partition("\0")[0]
    except OSError:
        return False


def descendants(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        if parent(name) == pid:
            found += [int(name), *descendants(int(name))]
    return found


@pytest.fixture(scope="module")
def node(lab):
    """A node with something to tell."""
    return lab.node(
        public_ip="127.1.9.9",
        profile_arn="arn:aws:iam::123456789012:instance-profile/nodes",
        role="worker",
        user_data=script("true"),
    )


class TestMetadata:
    def ask(self, lab, node, path, method="GET", **headers):
        connection = http.client.HTTPConnection(node.instance.private_ip, lab.site.imds_port, timeout=10)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read().decode()

    @pytest.fixture
    def get(self, lab, node):
        token = self.ask(lab, node, "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")[1]
        return lambda path: self.ask(lab, node, path, x_aws_ec2_metadata_token=token)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("instance-type", "t3.micro"),
            ("public-ipv4", "127.1.9.9"),
            ("placement/availability-zone", "us-east-1b"),
            ("placement/region", "us-east-1"),
            ("ami-id", "ami-12c6146b"),
            ("placement/", "availability-zone\nregion"),
            ("instance-life-cycle", "on-demand"),
            ("public-keys/0/", "openssh-key"),
            ("iam/security-credentials/", "worker"),
        ],
    )
    def test_documents(self, get, path, value):
        assert get(f"/latest/meta-data/{path}") == (200, value)

    def test_identity(self, get, node):
        assert get("/latest/meta-data/instance-id") == (200, node.instance.id)
        assert get("/latest/meta-data/local-ipv4") == (200, node.instance.private_ip)
        identity = json.loads(get("/latest/dynamic/instance-identity/document")[1])
        expected = {"region": "us-east-1", "accountId": "123456789012", "instanceId": node.instance.id}
        assert expected.items() <= identity.items()

    def test_user_data(self, get, node):
        assert get("/latest/user-data") == (200, node.instance.user_data.decode())

    def test_there_is_no_spot_notice(self, get):
        assert get("/latest/meta-data/spot/instance-action")[0] == 404

    def test_nothing_is_told_without_a_token(self, lab, node):
        path = "/latest/meta-data/instance-id"
        assert self.ask(lab, node, path) == (401, "")
        assert self.ask(lab, node, path, x_aws_ec2_metadata_token="made-up") == (401, "")

    def test_a_token_needs_a_lifetime_and_passes_no_proxy(self, lab, node):
        path, ttl = "/latest/api/token", {"x_aws_ec2_metadata_token_ttl_seconds": "60"}
        assert self.ask(lab, node, path, "PUT")[0] == 400
        assert self.ask(lab, node, path, "PUT", x_aws_ec2_metadata_token_ttl_seconds="0")[0] == 400
        assert self.ask(lab, node, path, "PUT", **ttl, x_forwarded_for="192.0.2.1")[0] == 403

    def test_version_1_answers_where_the_options_allow_it(self, lab):
        node = lab.node(options=MetadataOptions(tokens="optional"), tags={"team": "v"})
        assert self.ask(lab, node, "/latest/meta-data/instance-id") == (200, node.instance.id)
        assert self.ask(lab, node, "/latest/meta-data/tags/instance/team")[0] == 404
        assert self.ask(lab, node, "/latest/meta-data/instance-id", x_aws_ec2_metadata_token="made-up")[0] == 401

    def test_a_service_that_is_disabled_tells_nothing(self, lab):
        node = lab.node(options=MetadataOptions(endpoint="disabled"))
        for path, method in (("/latest/meta-data/instance-id", "GET"), ("/latest/api/token", "PUT")):
            assert self.ask(lab, node, path, method, x_aws_ec2_metadata_token_ttl_seconds="60") == (403, "")

    def test_boto3_finds_credentials_and_region(self, lab, node):
        endpoint = {"ec2_metadata_service_endpoint": f"http://{node.instance.private_ip}:{lab.site.imds_port}"}
        found = InstanceMetadataFetcher(config=endpoint).retrieve_iam_role_credentials()
        assert (found["role_name"], found["access_key"]) == ("worker", f"ASIA{node.instance.id}")
        assert InstanceMetadataRegionFetcher(config=endpoint).retrieve_region() == "us-east-1"
