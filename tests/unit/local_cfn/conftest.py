"""One emulated account per module, and what every test of stacks needs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config

from dlcluster.local.aws.calls import Fault
from dlcluster.local.aws.cloudformation import body
from dlcluster.local.aws.front import Emulator, serve

REGION = "us-east-1"
HERE = Path(__file__).parent
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
    ("ec2", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
    ("ec2", "describe_key_pairs", "KeyPairs", "KeyName"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("ec2", "describe_placement_groups", "PlacementGroups", "GroupName"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("logs", "describe_metric_filters", "metricFilters", "filterName"),
    ("ec2", "describe_capacity_reservations", "CapacityReservations", "CapacityReservationId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("efs", "describe_file_systems", "FileSystems", "FileSystemId"),
    ("efs", "describe_access_points", "AccessPoints", "AccessPointId"),
    ("fsx", "describe_file_systems", "FileSystems", "FileSystemId"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "describe_alarms", "CompositeAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("iam", "list_users", "Users", "UserName"),
    ("iam", "list_groups", "Groups", "GroupName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("ec2", "describe_dhcp_options", "DhcpOptions", "DhcpOptionsId"),
    ("autoscaling", "describe_policies", "ScalingPolicies", "PolicyARN"),
    ("autoscaling", "describe_scheduled_actions", "ScheduledUpdateGroupActions", "ScheduledActionARN"),
]


class Account:
    """An emulated account with clients for a user."""

    def __init__(self, *, nodes: bool = False) -> None:
        self.emulator = Emulator(nodes=nodes)
        self.server = serve(self.emulator)
        self._clients: dict[str, Any] = {}
        self.cf = self.client("cloudformation")

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.server.endpoint,
                aws_access_key_id="user",
                aws_secret_access_key="secret",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    @staticmethod
    def until(probe: Any) -> Any:
        return until(probe)

    def begin(self, name: str, template: Any, **options: Any) -> str:
        """Create a stack; its id."""
        text = template if isinstance(template, str) else json.dumps(template)
        options.setdefault("Capabilities", ["CAPABILITY_IAM"])
        return str(self.cf.create_stack(StackName=name, TemplateBody=text, **options)["StackId"])

    def create(self, name: str, template: Any, **options: Any) -> dict[str, Any]:
        return self.settled(self.begin(name, template, **options))

    def update(self, name: str, template: Any, **options: Any) -> dict[str, Any]:
        text = template if isinstance(template, str) else json.dumps(template)
        options.setdefault("Capabilities", ["CAPABILITY_IAM"])
        return self.settled(self.cf.update_stack(StackName=name, TemplateBody=text, **options)["StackId"])

    def delete(self, stack_id: str, **options: Any) -> dict[str, Any]:
        self.cf.delete_stack(StackName=stack_id, **options)
        return self.settled(stack_id)

    def settled(self, stack_id: str) -> dict[str, Any]:
        """The stack once nothing is in progress."""
        return until(lambda: self._settled(stack_id))

    def _settled(self, stack_id: str) -> dict[str, Any] | None:
        stack = self.cf.describe_stacks(StackName=stack_id)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    def resources(self, stack_id: str) -> dict[str, str]:
        rows = self.cf.describe_stack_resources(StackName=stack_id)["StackResources"]
        return {row["LogicalResourceId"]: row.get("PhysicalResourceId", "") for row in rows}

    def events(self, stack_id: str) -> list[dict[str, Any]]:
        """Oldest first."""
        pages = self.cf.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def reasons(self, stack_id: str) -> dict[str, str]:
        """The reason of each resource that failed."""
        failed = [event for event in self.events(stack_id) if event["ResourceStatus"].endswith("_FAILED")]
        return {event["LogicalResourceId"]: event.get("ResourceStatusReason", "") for event in failed}

    def sweep(self) -> set[str]:
        """Everything that exists in the account."""
        found = set()
        for service, operation, key, identity in LISTS:
            client = self.client(service)
            if client.can_paginate(operation):
                pages = list(client.get_paginator(operation).paginate())
            else:
                pages = [getattr(client, operation)()]
            rows = [row for page in pages for row in page[key] if row.get("State") not in ("deleted", "cancelled")]
            found |= {f"{service}:{operation}:{row[identity]}" for row in rows}
        found |= {f"sqs:{url}" for url in self.client("sqs").list_queues().get("QueueUrls", [])}
        policies = self.client("iam").list_policies(Scope="Local")["Policies"]
        budgets = self.client("budgets").describe_budgets(AccountId=self.emulator.account_id)["Budgets"]
        found |= {row["Arn"] for row in policies} | {f"budget:{row['BudgetName']}" for row in budgets}
        for instance in self.emulator.compute.instances():
            if instance.state != "terminated":
                found.add(f"ec2:instance:{instance.id}")
        return {row for row in found if "/aws/service/" not in row}

    def instances(self, group: str) -> set[str]:
        answer = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        return {row["InstanceId"] for item in answer["AutoScalingGroups"] for row in item["Instances"]}

    def fail(self, code: str, **which: Any) -> Fault:
        return self.emulator.faults.add(Fault(code, **which))


def until(probe: Any, seconds: float = 30) -> Any:
    """The first true value of a probe; fails when there is none before the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.02)
    return value


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """A module that sets NODES = True gets instances that stay pending until a test says that they run."""
    account = Account(nodes=getattr(request.module, "NODES", False))
    yield account
    account.server.close()
    account.emulator.close()


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults of a test end with it."""
    yield
    if "account" in request.fixturenames:
        request.getfixturevalue("account").emulator.faults.clear()


@pytest.fixture
def cluster() -> dict[str, Any]:
    """A template like a training cluster's, free to change."""
    document: dict[str, Any] = body.load((HERE / "cluster.yaml").read_text())
    return document


@pytest.fixture
def network() -> dict[str, Any]:
    """A VPC with a subnet, free to change."""
    return yaml.safe_load("""
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.9.0.0/16}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: {Ref: Vpc}, CidrBlock: 10.9.1.0/24}
""")
