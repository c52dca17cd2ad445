"""An emulated account served in this process, one per test module (moto's state is global)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dlcluster.local.aws.front import Emulator, serve

REGION = "us-east-1"


class Cloud:
    """The emulator with clients for a user, and what every test needs of an account."""

    def __init__(self, *, nodes: bool) -> None:
        self.changes = 0
        self.emulator = Emulator(nodes=nodes, on_change=self._changed)
        self.server = serve(self.emulator)
        self._clients: dict[tuple[str, str], Any] = {}

    def _changed(self) -> None:
        self.changes += 1

    def client(self, service: str, region: str = REGION, access_key: str = "user") -> Any:
        if (service, access_key) not in self._clients:
            self._clients[service, access_key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.server.endpoint,
                aws_access_key_id=access_key,
                aws_secret_access_key="secret",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service, access_key]

    def network(self) -> tuple[str, str, str]:
        """A VPC with one subnet and one security group."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="127.1.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.1.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
        return vpc, subnet, group

    def settle(self) -> None:
        """Let every instance that is pending run, as nodes do once they are up."""
        for instance in self.emulator.compute.instances():
            if instance.state == "pending":
                self.emulator.compute.set_state(instance.id, "running")


def until(probe: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of a probe; fails when there is none before the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = probe()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"nothing after {seconds} s")


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """An account whose instances run at once."""
    yield from _cloud(nodes=False)


@pytest.fixture(scope="module")
def node_cloud() -> Iterator[Cloud]:
    """An account whose instances wait for their nodes."""
    yield from _cloud(nodes=True)


def _cloud(*, nodes: bool) -> Iterator[Cloud]:
    cloud = Cloud(nodes=nodes)
    yield cloud
    cloud.emulator.close()
    cloud.server.close()
