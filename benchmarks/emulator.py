"""How fast the embedded cloud answers: a stack of 25 resources, a group of 64 nodes, the AWS CLI, 1,000 instances.

`python -m benchmarks.emulator` writes results/emulator.md; a quiet machine is assumed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.parsers import create_parser

from benchmarks.measure import Row, publish, row, seconds

REGION = "us-east-1"
IMAGE = "ami-12c6146b"
RESOURCES = 25
NODES = 64
MANY = 1000
RUNS = 7
POLL = 0.01


def main() -> None:
    """Measure everything and write results/emulator.md."""
    with cloud("--no-nodes") as endpoint:
        rows = stack_times(endpoint) + deploy_times(endpoint)
    with cloud("--no-nodes") as endpoint:
        rows += many_times(endpoint)
    with cloud() as endpoint:
        rows += group_times(endpoint)
    publish(
        "emulator",
        "The embedded cloud's answers",
        rows,
        [
            f"The stack: {RESOURCES} resources of {len(kinds())} types, without nodes; timed from the call until "
            "DescribeStacks says that it is complete, asked every 10 ms; the first of all is left out.",
            f"{NODES} nodes of their own: RunInstances of {NODES}, until all run. The group: CreateAutoScalingGroup, "
            "until all are in service. Runs are interleaved.",
            f"{MANY} instances: boto3's time to parse the answer is part of it. Nearly half of that goes into "
            "the three dates of each instance, which AWS sends in the same form.",
        ],
    )


@contextmanager
def cloud(*options: str) -> Iterator[str]:
    """An embedded cloud of its own, in another process; its endpoint."""
    with tempfile.TemporaryDirectory(prefix="dlcluster-bench-") as home:
        env = {**os.environ, "DLCLUSTER_LOCAL_HOME": home}
        command = [sys.executable, "-m", "dlcluster.local", "--fresh", *options]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                line = next(line for line in process.stdout if line.startswith("export AWS_ENDPOINT_URL="))
                yield line.strip().partition("=")[2]
            finally:
                process.terminate()


def client(endpoint: str, service: str) -> Any:
    make: Any = boto3.client
    return make(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )


def template() -> dict[str, Any]:
    """What a small cluster is made of: network, access, storage, notices, a launch template and a group."""
    vpc, subnet = {"Ref": "Vpc"}, {"Ref": "Subnet"}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    resources: dict[str, Any] = {
        "Vpc": ("EC2::VPC", {"CidrBlock": "10.0.0.0/16"}),
        "Gateway": ("EC2::InternetGateway", {}),
        "Attachment": ("EC2::VPCGatewayAttachment", {"VpcId": vpc, "InternetGatewayId": {"Ref": "Gateway"}}),
        "Subnet": ("EC2::Subnet", {"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}),
        "Other": ("EC2::Subnet", {"VpcId": vpc, "CidrBlock": "10.0.2.0/24"}),
        "Routes": ("EC2::RouteTable", {"VpcId": vpc}),
        "Link": ("EC2::SubnetRouteTableAssociation", {"SubnetId": subnet, "RouteTableId": {"Ref": "Routes"}}),
        "Nodes": ("EC2::SecurityGroup", {"GroupDescription": "nodes", "VpcId": vpc}),
        "Inner": ("EC2::SecurityGroupIngress", {"GroupId": {"Ref": "Nodes"}, "IpProtocol": "-1",
                  "SourceSecurityGroupId": {"Ref": "Nodes"}}),
        "Endpoint": ("EC2::VPCEndpoint", {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3",
                     "RouteTableIds": [{"Ref": "Routes"}]}),
        "Close": ("EC2::PlacementGroup", {"Strategy": "cluster"}),
        "Disk": ("EC2::Volume", {"Size": 10, "AvailabilityZone": {"Fn::GetAtt": ["Subnet", "AvailabilityZone"]}}),
        "Bucket": ("S3::Bucket", {}),
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}),
        "Profile": ("IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
        "Log": ("Logs::LogGroup", {"RetentionInDays": 7}),
        "Note": ("SSM::Parameter", {"Type": "String", "Value": "x"}),
        "Topic": ("SNS::Topic", {}),
        "Queue": ("SQS::Queue", {}),
        "Alarm": ("CloudWatch::Alarm", {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1,
                  "MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Period": 60, "Statistic": "Average",
                  "Threshold": 90}),
        "Files": ("EFS::FileSystem", {}),
        "Mount": ("EFS::MountTarget", {"FileSystemId": {"Ref": "Files"}, "SubnetId": subnet,
                  "SecurityGroups": [{"Ref": "Nodes"}]}),
        "Launch": ("EC2::LaunchTemplate", {"LaunchTemplateData": {"ImageId": IMAGE, "InstanceType": "c5.large",
                   "IamInstanceProfile": {"Name": {"Ref": "Profile"}}}}),
        "Group": ("AutoScaling::AutoScalingGroup", {"MinSize": "2", "MaxSize": "2", "VPCZoneIdentifier": [subnet],
                  "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Launch"},
                                     "Version": {"Fn::GetAtt": ["Launch", "LatestVersionNumber"]}}}),
    }  # fmt: skip
    route = {"RouteTableId": {"Ref": "Routes"}, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "Gateway"}}
    body: dict[str, Any] = {
        name: {"Type": f"AWS::{kind}", "Properties": properties} for name, (kind, properties) in resources.items()
    }
    body["Route"] = {"Type": "AWS::EC2::Route", "DependsOn": "Attachment", "Properties": route}
    assert len(body) == RESOURCES
    return {"Resources": body}


def kinds() -> set[str]:
    return {item["Type"] for item in template()["Resources"].values()}


# -- stacks -------------------------------------------------------------------------------------------


def stack_times(endpoint: str) -> list[Row]:
    """Creation and deletion, warm."""
    formation, body = client(endpoint, "cloudformation"), json.dumps(template())
    made, gone = [], []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        stack = formation.create_stack(StackName="bench", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])["StackId"]
        settle(formation, stack, "CREATE_COMPLETE")
        made.append(time.perf_counter() - started)
        started = time.perf_counter()
        formation.delete_stack(StackName=stack)
        settle(formation, stack, "DELETE_COMPLETE")
        gone.append(time.perf_counter() - started)
    return [
        row(f"stack of {RESOURCES} resources created", made[1:], limit=0.5),
        row(f"stack of {RESOURCES} resources deleted", gone[1:], limit=0.5),
    ]


def settle(formation: Any, stack: str, wanted: str) -> None:
    """Wait for a stack's status."""
    wait(lambda: formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"], wanted)


def wait(probe: Callable[[], Any], wanted: Any, limit: float = 120) -> None:
    """Ask until the answer is the wanted one; raises RuntimeError for a failure or after the limit."""
    deadline = time.monotonic() + limit
    while (found := probe()) != wanted:
        if "FAILED" in str(found) or "ROLLBACK" in str(found) or time.monotonic() > deadline:
            raise RuntimeError(f"{found} instead of {wanted}")
        time.sleep(POLL)


# -- the AWS CLI --------------------------------------------------------------------------------------


def deploy_times(endpoint: str) -> list[Row]:
    """`aws cloudformation deploy`, its own start included."""
    with tempfile.TemporaryDirectory() as directory, aws_command() as aws:
        file = Path(directory) / "template.json"
        file.write_text(json.dumps(template()))
        env = {
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        formation, times = client(endpoint, "cloudformation"), []
        options = ["--template-file", str(file), "--stack-name", "deploy", "--capabilities", "CAPABILITY_IAM"]
        for _ in range(3):
            times.append(seconds([aws, "cloudformation", "deploy", *options], env=env))
            stack = formation.describe_stacks(StackName="deploy")["Stacks"][0]["StackId"]
            formation.delete_stack(StackName=stack)
            settle(formation, stack, "DELETE_COMPLETE")
    return [row("`aws cloudformation deploy` of that stack", times, limit=5)]


@contextmanager
def aws_command() -> Iterator[str]:
    """The AWS CLI of this machine, or one from PyPI in an environment of its own."""
    beside = Path(sys.executable).with_name("aws")
    found = str(beside) if beside.exists() else shutil.which("aws")
    if found:
        yield found
        return
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        subprocess.run([f"{directory}/bin/pip", "install", "-q", "awscli"], check=True)
        yield f"{directory}/bin/aws"


# -- instances ----------------------------------------------------------------------------------------


def network(ec2: Any, cidr: str) -> str:
    """A subnet in a VPC of its own."""
    vpc = ec2.create_vpc(CidrBlock=f"{cidr}/16")["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=f"{cidr}/20")["Subnet"]["SubnetId"])


def many_times(endpoint: str) -> list[Row]:
    """How the account answers while it holds 1,000 instances, one cluster of 64 among them."""
    ec2 = client(endpoint, "ec2")
    launch = {"ImageId": IMAGE, "InstanceType": "c5.large", "SubnetId": network(ec2, "10.9.0.0")}
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": "one"}]}]
    ec2.run_instances(**launch, MinCount=NODES, MaxCount=NODES, TagSpecifications=tags)
    started = time.perf_counter()
    rest = ec2.run_instances(**launch, MinCount=MANY - NODES, MaxCount=MANY - NODES)["Instances"]
    launched = time.perf_counter() - started
    one = rest[0]["InstanceId"]
    cluster = [{"Name": "tag:cluster", "Values": ["one"]}]
    asked: list[tuple[str, float | None, int, Callable[[], Any]]] = [
        ("one of them described", 0.5, 1, lambda: pages(ec2, InstanceIds=[one])),
        (f"a cluster of {NODES} among them described", 0.5, NODES, lambda: pages(ec2, Filters=cluster)),
        (f"all {MANY} described", 0.5, MANY, lambda: pages(ec2)),
    ]
    rows = [row(f"{MANY - NODES} instances launched by one call", [launched])]
    for what, limit, count, ask in asked:
        times = []
        for _ in range(RUNS):
            started = time.perf_counter()
            assert ask() == count
            times.append(time.perf_counter() - started)
        rows.append(row(what, times, limit=limit))
    return rows + parts_of_all(ec2, endpoint)


def parts_of_all(ec2: Any, endpoint: str) -> list[Row]:
    """What the description of all is made of: the answer over HTTP, and botocore's parser."""
    form = b"Action=DescribeInstances&Version=2016-11-15"
    credential = (
        f"AWS4-HMAC-SHA256 Credential=bench/20260101/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature=0"
    )
    headers = {"Authorization": credential, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    shape = ec2.meta.service_model.operation_model("DescribeInstances").output_shape
    answered, parsed = [], []
    for _ in range(RUNS):
        started = time.perf_counter()
        with urlopen(Request(endpoint, form, headers)) as response:
            body = response.read()
        answered.append(time.perf_counter() - started)
        started = time.perf_counter()
        create_parser("ec2").parse({"body": body, "status_code": 200, "headers": {}}, shape)
        parsed.append(time.perf_counter() - started)
    size = f"{len(body) / 1e6:.1f} MB"
    return [
        row(f"of it: the answer of {size} over plain HTTP", answered, limit=0.5),
        row("of it: botocore's parser, on the client", parsed),
    ]


def pages(ec2: Any, **which: Any) -> int:
    """How many instances DescribeInstances tells."""
    answers = ec2.get_paginator("describe_instances").paginate(**which)
    return sum(len(group["Instances"]) for answer in answers for group in answer["Reservations"])


def group_times(endpoint: str) -> list[Row]:
    """A group of 64 nodes, beside the same nodes launched by hand."""
    ec2, scaling = client(endpoint, "ec2"), client(endpoint, "autoscaling")
    subnet = network(ec2, "127.9.0.0")
    ec2.create_launch_template(
        LaunchTemplateName="bench", LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t3.micro"}
    )
    nodes, groups = [], []
    for _ in range(3):
        nodes.append(launch_nodes(ec2, subnet))
        groups.append(launch_group(scaling, ec2, subnet))
    beyond = [max(0.0, group - alone) for group, alone in zip(groups, nodes, strict=True)]
    return [
        row(f"{NODES} nodes launched by one call", nodes),
        row(f"a group of {NODES} nodes in service", groups),
        row("the group beyond its nodes' own start", beyond, limit=2),
    ]


def launch_nodes(ec2: Any, subnet: str) -> float:
    started = time.perf_counter()
    request = {"ImageId": IMAGE, "InstanceType": "t3.micro", "SubnetId": subnet, "MinCount": NODES, "MaxCount": NODES}
    ids = [item["InstanceId"] for item in ec2.run_instances(**request)["Instances"]]
    wait(lambda: states(ec2, ids), {"running"})
    took = time.perf_counter() - started
    end(ec2, ids)
    return took


def launch_group(scaling: Any, ec2: Any, subnet: str) -> float:
    name = {"AutoScalingGroupName": "bench"}
    started = time.perf_counter()
    scaling.create_auto_scaling_group(
        **name,
        LaunchTemplate={"LaunchTemplateName": "bench"},
        MinSize=NODES,
        MaxSize=NODES,
        VPCZoneIdentifier=subnet,
    )

    def members() -> list[dict[str, Any]]:
        groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["bench"])["AutoScalingGroups"]
        return [row for group in groups for row in group["Instances"]]

    wait(lambda: sum(row["LifecycleState"] == "InService" for row in members()), NODES)
    took = time.perf_counter() - started
    ids = [row["InstanceId"] for row in members()]
    scaling.delete_auto_scaling_group(**name, ForceDelete=True)
    end(ec2, ids)
    return took


def states(ec2: Any, ids: list[str]) -> set[str]:
    found = ec2.describe_instance_status(InstanceIds=ids, IncludeAllInstances=True)["InstanceStatuses"]
    return {item["InstanceState"]["Name"] for item in found}


def end(ec2: Any, ids: list[str]) -> None:
    ec2.terminate_instances(InstanceIds=ids)
    wait(lambda: states(ec2, ids) <= {"terminated"}, True)


if __name__ == "__main__":
    main()
