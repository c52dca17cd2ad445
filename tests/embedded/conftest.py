"""Real nodes: alone, with a made-up compute service (`lab`), and behind a real daemon of its own home (`cloud`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import paramiko
import pytest

from dlcluster.local import client
from dlcluster.local.aws.compute import Instance
from dlcluster.local.nodes.layout import Layout
from dlcluster.local.nodes.node import Node, Site
from dlcluster.local.nodes.zygote import Zygote

SECONDS = 20.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Poll until the condition gives something true; fail with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return result


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def named(mark: str) -> list[int]:
    """Running processes with the mark in their command line or environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if mark.encode() in text and int(entry.name) != os.getpid() and alive(int(entry.name)):
                found.append(int(entry.name))
    return found


@dataclass(frozen=True)
class Tools:
    """The helpers above, for test modules."""

    wait_until: Callable[..., Any] = wait_until
    alive: Callable[[int], bool] = alive
    named: Callable[[str], list[int]] = named


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@dataclass(frozen=True)
class Keys:
    """A key pair: the file of the private one, the line of the public one."""

    path: Path
    public: str

    @property
    def paramiko(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key_file(str(self.path))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    path = tmp_path_factory.mktemp("keys") / "id_ed25519"
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(0o600)
    key.write_private_key(path)
    return Keys(path, key.export_public_key().decode().strip())


class MadeUpCompute:
    """What nodes ask of the emulator's compute service, without an emulator."""

    def __init__(self) -> None:
        self.found: dict[str, Instance] = {}
        self.console: dict[str, str] = {}

    def instances(self) -> list[Instance]:
        return list(self.found.values())

    def set_state(self, instance_id: str, state: str, reason: str = "") -> None:
        self.found[instance_id] = replace(self.found[instance_id], state=state)

    def set_console_output(self, instance_id: str, text: str) -> None:
        self.console[instance_id] = text

    def credentials(self, instance_id: str) -> dict[str, str]:
        keys = {"AccessKeyId": f"ASIA{instance_id}", "SecretAccessKey": "s", "Token": "t"}
        return {**keys, "Expiration": "2099-01-01T00:00:00Z"}


def free_ports(count: int) -> list[int]:
    """Ports that are free on every loopback address now, below the range of outgoing connections."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(12000, 20000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            ports.append(port)
    return ports


class Lab:
    """Nodes in this process, their event loop in a thread."""

    def __init__(self, keys: Keys, root: Path) -> None:
        self.keys = keys
        self.root = root
        self.compute = MadeUpCompute()
        self.dead: list[str] = []
        self._numbers = itertools.count(4)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._net = random.randrange(100, 250)
        self._nodes: list[Node] = []
        ssh_port, imds_port = free_ports(2)
        zygote = Zygote(str(root))
        self.site = Site(zygote, self.compute, "http://127.0.0.1:9", "123456789012", ssh_port, imds_port)  # type: ignore[arg-type]

    def do(self, work: Any) -> Any:
        """Run a coroutine in the nodes' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def instance(self, **changes: Any) -> Instance:
        number = next(self._numbers)
        fields = {
            "id": f"i-{number:017x}",
            "region": "us-east-1",
            "state": "pending",
            "availability_zone": "us-east-1b",
            "private_ip": f"127.1.{self._net}.{number}",
            "public_ip": None,
            "key_material": self.keys.public,
            "user_data": b"",
            "instance_type": "t3.micro",
            "image_id": "ami-12c6146b",
            "tags": {},
            "profile_arn": None,
            "launch_time": datetime.now(UTC),
        }
        instance = Instance(**{**fields, **changes})
        self.compute.found[instance.id] = instance
        return instance

    def node(self, **changes: Any) -> Node:
        """A started node."""
        instance = self.instance(**changes)
        layout = Layout(self.root / instance.id)

        async def make() -> Node:
            node = Node(self.site, instance, layout, lambda: self.dead.append(instance.id))
            await node.start()
            return node

        node = self.do(make())
        self._nodes.append(node)
        return node

    def connect(self, node: Node, **options: Any) -> paramiko.SSHClient:
        """A verified connection."""
        connection = paramiko.SSHClient()
        name = f"[{node.instance.private_ip}]:{self.site.ssh_port}"
        kind, data = node.layout.host_key.with_suffix(".pub").read_text().split()[:2]
        connection.get_host_keys().add(name, kind, paramiko.PKey.from_type_string(kind, b64decode(data)))
        connection.set_missing_host_key_policy(paramiko.RejectPolicy())
        where = {"hostname": node.instance.private_ip, "port": self.site.ssh_port, "username": "ubuntu"}
        login = {"pkey": self.keys.paramiko, "allow_agent": False, "look_for_keys": False}
        if "sock" not in options:
            options["sock"] = socket.create_connection((where["hostname"], self.site.ssh_port))
            options["sock"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(**{**where, **login, **options})
        return connection

    def close(self) -> None:
        for node in self._nodes:
            self.do(node.stop())
        self.do(self.site.zygote.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def lab(keys: Keys) -> Iterator[Lab]:
    root = Path(tempfile.mkdtemp(prefix="dlc-lab-"))
    lab = Lab(keys, root)
    yield lab
    lab.close()
    wait_until(lambda: not named(str(root)), "processes outlive their nodes")
    shutil.rmtree(root)


class OpenSsh:
    """OpenSSH's own clients, trusting the node's key and nothing else."""

    def __init__(self, directory: Path, address: str, port: int, host_key: str, identity: Path) -> None:
        self.directory = directory
        (directory / "known_hosts").write_text(f"[{address}]:{port} {host_key}\n")
        self._config = directory / "config"
        self._config.write_text(
            f"Host node\n  HostName {address}\n  Port {port}\n  User ubuntu\n  IdentityFile {identity}\n"
            "  IdentitiesOnly yes\n  BatchMode yes\n  StrictHostKeyChecking yes\n"
            f"  UserKnownHostsFile {directory / 'known_hosts'}\n  GlobalKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        )

    def __call__(self, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `ssh node ...`, `scp ...` or `sftp ...` in the client's directory to its end."""
        with self.start(command) as process:
            out, err = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        program, *arguments = shlex.split(command)
        pipe = subprocess.PIPE
        words = [program, "-F", str(self._config), *arguments]
        return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.directory)


@pytest.fixture
def openssh(lab: Lab, tmp_path: Path) -> Callable[[Node], OpenSsh]:
    if missing := [name for name in ("ssh", "scp", "sftp") if shutil.which(name) is None]:
        pytest.skip(f"OpenSSH's {', '.join(missing)} not installed (apt-get install openssh-client)")

    def make(node: Node) -> OpenSsh:
        host_key = node.layout.host_key.with_suffix(".pub").read_text().strip()
        return OpenSsh(tmp_path, node.instance.private_ip, lab.site.ssh_port, host_key, lab.keys.path)

    return make


@dataclass
class Cloud:
    """A daemon in a home of its own, and boto3 clients to it."""

    home: Path
    keys: Keys
    daemon: client.Daemon
    _clients: dict[str, Any] = field(default_factory=dict)
    _subnets: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name="us-east-1",
                endpoint_url=self.daemon.endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return self._clients[service]

    @property
    def subnet(self) -> str:
        """The id of a subnet, made with the key pair `test` at the first use."""
        if not self._subnets:
            self._subnets.append(self._network())
        return self._subnets[0]

    def _network(self) -> str:
        ec2 = self.client("ec2")
        ec2.import_key_pair(KeyName="test", PublicKeyMaterial=self.keys.public.encode())
        cidr = f"127.1.{random.randrange(2, 99)}.0/24"
        vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-east-1b")["Subnet"]
        return str(subnet["SubnetId"])

    def launch(self, count: int = 1, **options: Any) -> list[dict[str, Any]]:
        """Instances that run."""
        ec2 = self.client("ec2")
        asked = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro", "KeyName": "test", "SubnetId": self.subnet}
        made = ec2.run_instances(**{**asked, **options}, MinCount=count, MaxCount=count)["Instances"]
        for item in made:
            wait_until(lambda i=item: self.state(i["InstanceId"]) == "running", "an instance runs")
        return list(made)

    def state(self, instance_id: str) -> str:
        found = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    def connect(self, address: str) -> paramiko.SSHClient:
        connection = paramiko.SSHClient()
        connection.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        connection.connect(
            address,
            self.daemon.ssh_port,
            "ubuntu",
            pkey=self.keys.paramiko,
            allow_agent=False,
            look_for_keys=False,
        )
        return connection

    def run(self, address: str, command: str) -> str:
        """Standard output of a command on a node."""
        with self.connect(address) as connection:
            return connection.exec_command(command)[1].read().decode()


@contextlib.contextmanager
def own_home() -> Iterator[Path]:
    """A home for a daemon; in the end nothing of it may run."""
    path = Path(tempfile.mkdtemp(prefix="dlc-home-"))
    yield path
    client.stop(path)
    wait_until(lambda: not named(str(path)), "processes outlive their daemon")
    shutil.rmtree(path)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of this test's daemon, if it starts one."""
    with own_home() as path:
        monkeypatch.setenv("DLCLUSTER_LOCAL_HOME", str(path))
        yield path


@pytest.fixture
def cloud(home: Path, keys: Keys) -> Cloud:
    """A daemon for one test."""
    return Cloud(home, keys, client.ensure(home))


@pytest.fixture(scope="module")
def shared_cloud(keys: Keys) -> Iterator[Cloud]:
    """A daemon for the tests of a module, which does not end while tests run that have no use for it."""
    with own_home() as path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DLCLUSTER_LOCAL_IDLE_SECONDS", "0")
            daemon = client.ensure(path)
        yield Cloud(path, keys, daemon)
