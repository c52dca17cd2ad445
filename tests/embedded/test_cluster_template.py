"""The cluster template on the emulated AWS: it deploys, its nodes get what it says, and it goes away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from dlcluster.config import ClusterConfig, parse_cluster
from dlcluster.local.aws.front import Emulator, serve
from dlcluster.stack import build_template, parameters, stack_tags, to_json, user_data

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJTWPcL0yL5EX5wy0gIuFq1gRrKPdPvH2v2gX1nNq1mA"
CLUSTERS = {
    "default": "name: default",
    "efa": "name: efa\nworkers: {type: p5.48xlarge, count: 3, spot: true}\nimage: ubuntu\ntags: {team: vision}\n"
    "network: {vpc_cidr: 127.7.0.0/24, zone: us-east-1b, ssh_from: [127.0.0.1, 127.0.0.0/8]}\n"
    "setup: ['echo \"é ${HOME}\"']",
}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    emulator = Emulator()
    server = serve(emulator)
    yield emulator
    server.close()
    emulator.close()


def _client(emulator: Emulator, service: str) -> Any:
    keys = {"aws_access_key_id": "user", "aws_secret_access_key": "secret"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=emulator.endpoint, **keys)


def _settled(describe: Callable[[], Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (stack := describe()["Stacks"][0])["StackStatus"].endswith("IN_PROGRESS"):
        assert time.monotonic() < deadline, stack["StackStatus"]
        time.sleep(0.05)
    return stack


def _create(cloudformation: Any, config: ClusterConfig) -> dict[str, Any]:
    values = parameters(config, public_key=PUBLIC_KEY, vpc_cidr=config.network.vpc_cidr or "127.5.0.0/16")
    cloudformation.create_stack(
        StackName=config.stack_name,
        TemplateBody=to_json(build_template(config)),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Tags=[{"Key": key, "Value": value} for key, value in stack_tags(config).items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    return _settled(lambda: cloudformation.describe_stacks(StackName=config.stack_name))


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_template_deploys_and_its_nodes_are_as_it_says(emulator, name):
    config = parse_cluster(CLUSTERS[name])
    cloudformation = _client(emulator, "cloudformation")
    stack = _create(cloudformation, config)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack.get("StackStatusReason")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    instances = emulator.compute.instances()
    by_role = {role: [i for i in instances if i.tags["dlcluster:role"] == role] for role in ("head", "worker")}
    assert [head.id for head in by_role["head"]] == [outputs["HeadInstanceId"]]
    assert len(by_role["worker"]) == config.workers.count
    assert {worker.instance_type for worker in by_role["worker"]} == {config.workers.type}
    for role, nodes in by_role.items():
        for node in nodes:
            assert node.user_data.decode() == user_data(config, role)
            assert node.key_material.split()[:2] == PUBLIC_KEY.split()
            assert node.tags["dlcluster:cluster"] == config.name
            assert set(config.tags.items()) <= set(node.tags.items())
            assert (node.public_ip is not None) == (role == "head")

    cloudformation.delete_stack(StackName=config.stack_name)
    gone = _settled(lambda: cloudformation.describe_stacks(StackName=stack["StackId"]))
    assert gone["StackStatus"] == "DELETE_COMPLETE", gone.get("StackStatusReason")
    assert {node.state for node in emulator.compute.instances()} <= {"terminated", "shutting-down"}
