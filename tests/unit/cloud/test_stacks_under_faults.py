"""A cluster's stack while calls fail: it comes about, or one more delete leaves nothing.

The Nth call of a user, of CloudFormation or of Auto Scaling fails, for every N: throttled, refused with a 500, or done
but without an answer.
"""

from __future__ import annotations

import random

import pytest

from dlcluster.cloud import stacks
from dlcluster.cloud.session import Session
from dlcluster.config import parse_cluster
from dlcluster.errors import UserError
from dlcluster.local.aws.faults import Fault
from dlcluster.local.aws.front import Emulator, serve
from dlcluster.stack import build_template, parameters, stack_tags, to_json

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJTWPcL0yL5EX5wy0gIuFq1gRrKPdPvH2v2gX1nNq1mA"
BEFORE = "name: x\nworkers: {count: 2}\n"
AFTER = "name: x\nworkers: {count: 3, type: c7i.2xlarge}\nsetup: ['true']\ntags: {team: vision}\n"
ORIGINS = ("user", "cloudformation", "autoscaling")
KINDS = ("throttle", "internal", "lost")
# service: (operation, key of the rows, what identifies a row)
LISTS = [
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_key_pairs", "KeyPairs", "KeyName"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("ec2", "describe_placement_groups", "PlacementGroups", "GroupName"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("ec2", "describe_tags", "Tags", "ResourceId"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    ("cloudformation", "describe_stacks", "Stacks", "StackId"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
]


class World:
    """One account, and one stack that is made, changed and removed in it."""

    def __init__(self, emulator: Emulator, session: Session) -> None:
        self.emulator = emulator
        self.session = session
        self.name = parse_cluster(BEFORE).stack_name

    def deploy(self, text: str) -> None:
        """What `up` does to the stack, clean-up of a failed creation included."""
        config = parse_cluster(text)
        stack = stacks.settle(self.session, self.name, ignore)
        plan = stacks.plan(
            self.session,
            self.name,
            to_json(build_template(config)),
            parameters(config, public_key=PUBLIC_KEY, vpc_cidr="127.5.0.0/16"),
            stack_tags(config),
            exists=stack is not None,
        )
        try:
            stacks.apply(self.session, plan, ignore)
        except UserError:
            stack = stacks.find(self.session, self.name)
            if stack and plan.kind == "create":
                stacks.delete(self.session, stack, ignore)
            raise

    def create(self) -> None:
        self.deploy(BEFORE)

    def update(self) -> None:
        self.deploy(AFTER)

    def delete(self) -> None:
        """What `down` does to the stack; nothing when there is none."""
        stack = stacks.find(self.session, self.name)
        if stack and stack.busy:
            stack = stacks.follow(self.session, stack, ignore)
        if stack and stacks.delete(self.session, stack, ignore):
            failed = [event for event in stacks.events_since(self.session, stack.id, "") if event.failed]
            raise UserError(
                f"something is left: {[(event.logical_id, event.status, event.reason) for event in failed]}"
            )

    def status(self) -> str:
        stack = stacks.find(self.session, self.name)
        return stack.status if stack else ""

    def sweep(self) -> set[str]:
        """Everything that exists in the account; EC2 describes terminated instances and their tags for a while."""
        instances = self.emulator.compute.instances()
        dead = {item.id for item in instances if item.state == "terminated"}
        found = {f"instance {item.id}" for item in instances if item.id not in dead}
        for service, operation, key, identity in LISTS:
            client = self.session.client(service)
            pages = [getattr(client, operation)()]
            if client.can_paginate(operation):
                pages = list(client.get_paginator(operation).paginate())
            found |= {f"{operation} {row[identity]}" for page in pages for row in page[key] if live(row)}
        return {row for row in found if row.split()[1] not in dead}

    def strike(self, operation: str, origin: str, kind: str, nth: int) -> Fault:
        """Do one operation while a call fails, check what became of the stack, and leave an empty account."""
        if operation != "create":
            self.create()
        ended = {"create": "CREATE_COMPLETE", "update": "UPDATE_COMPLETE", "delete": ""}[operation]
        fault = self.emulator.faults.add(Fault(kind=kind, origin=origin, nth=nth))
        case = f"{operation}, call {nth} of {origin}: {kind}"
        try:
            getattr(self, operation)()
        except UserError:
            # boto3 repeats a user's call, and the emulator's services ask again for an answer that was lost.
            assert origin != "user", case
            assert kind != "lost", case
            ended = None
        self.emulator.faults.clear()
        if ended is not None:
            assert self.status() == ended, case
        self.delete()
        left = self.sweep() - self.empty
        assert not left, f"{case} left {sorted(left)}"
        return fault


def ignore(_: object) -> None:
    pass


def live(row: dict) -> bool:
    return row.get("State") not in ("deleted", "deleting")


@pytest.fixture(scope="module")
def world():
    emulator = Emulator()
    server = serve(emulator)
    session = Session("local", "us-east-1", endpoint=server.endpoint)
    world = World(emulator, session)
    world.empty = world.sweep()
    yield world
    emulator.close()
    server.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(Session, "poll", 0.05)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)


def samples() -> list[tuple[str, str, str, int]]:
    """A few of the cases below, drawn by a seed."""
    draw = random.Random(20)
    kinds = draw.sample(KINDS, len(KINDS))
    drawn = [
        (operation, "cloudformation", kind, draw.randint(1, 40))
        for operation, kind in zip(("create", "update", "delete"), kinds, strict=True)
    ]
    return [*drawn, ("create", "user", "lost", draw.randint(1, 6))]


@pytest.mark.parametrize(("operation", "origin", "kind", "nth"), samples())
def test_a_call_that_fails_leaves_nothing_behind(world, operation, origin, kind, nth):
    world.strike(operation, origin, kind, nth)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_whatever_call_fails_nothing_is_left_behind(world, operation, origin, kind):
    nth = 1
    while world.strike(operation, origin, kind, nth).hits:
        nth += 1
    assert nth > 1, "no call was struck at all"
