"""Nodes that signal from their user data: a group is created, and rolled to a new version, by what real nodes say."""

from __future__ import annotations

import json
from typing import Any

import pytest

IMAGE = "{{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}}"
BOOT = """#!/bin/bash
exec "$DLCLUSTER_PYTHON" - <<'END'
import os, urllib.request as web
import boto3
base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/"
seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
token = web.urlopen(web.Request(base + "api/token", method="PUT", headers=seconds)).read().decode()
asked = web.Request(base + "meta-data/instance-id", headers={"X-aws-ec2-metadata-token": token})
me = web.urlopen(asked).read().decode()
boto3.client("cloudformation", region_name="us-east-1").signal_resource(
    StackName="rolling", LogicalResourceId="Nodes", UniqueId=me, Status="SUCCESS")
END
"""


def template(version: str) -> str:
    signal = {"Effect": "Allow", "Action": "cloudformation:SignalResource", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = {"PolicyName": "signal", "PolicyDocument": {"Version": "2012-10-17", "Statement": [signal]}}
    data = {
        "ImageId": IMAGE,
        "InstanceType": "t3.micro",
        "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
        "UserData": {"Fn::Base64": f"{BOOT}# {version}\n"},
    }
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "127.88.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "127.88.1.0/24"}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [policy],
            },
        },
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}},
        "Nodes": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT1M"}},
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {
                    "MinInstancesInService": 1,
                    "PauseTime": "PT1M",
                    "WaitOnResourceSignals": True,
                }
            },
            "Properties": {
                "MinSize": "2",
                "MaxSize": "2",
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
    }
    return json.dumps({"Resources": resources})


@pytest.mark.slow
def test_nodes_that_report_from_their_user_data_roll_one_by_one(cloud: Any, tools: Any) -> None:
    formation, scaling = cloud.client("cloudformation"), cloud.client("autoscaling")

    def members() -> list[dict[str, Any]]:
        return list(scaling.describe_auto_scaling_instances()["AutoScalingInstances"])

    def reached(status: str) -> bool:
        found = formation.describe_stacks(StackName="rolling")["Stacks"][0]["StackStatus"]
        assert "ROLLBACK" not in found
        return str(found) == status

    capabilities = ["CAPABILITY_IAM"]
    formation.create_stack(StackName="rolling", TemplateBody=template("one"), Capabilities=capabilities)
    tools.wait_until(lambda: reached("CREATE_COMPLETE"), "both nodes have reported", 120)
    before = {item["InstanceId"] for item in members()}
    formation.update_stack(StackName="rolling", TemplateBody=template("two"), Capabilities=capabilities)
    tools.wait_until(lambda: reached("UPDATE_COMPLETE"), "both nodes are replaced", 180)
    after = {item["InstanceId"] for item in members()}
    assert len(after) == 2
    assert not after & before
    rows = formation.describe_stack_events(StackName="rolling")["StackEvents"]
    told = [row.get("ResourceStatusReason") or "" for row in rows if row["LogicalResourceId"] == "Nodes"]
    for identity in [*before, *after]:
        assert f"Received SUCCESS signal with UniqueId {identity}" in told
    formation.delete_stack(StackName="rolling")
