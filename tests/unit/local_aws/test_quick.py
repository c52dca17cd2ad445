"""What makes moto faster changes no answer, and leaves other versions of moto alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import xmltodict
from botocore.exceptions import ClientError
from moto.core.responses import method_names_from_class
from moto.ec2.responses import EC2Response

from dlcluster.local.aws import quick
from dlcluster.local.aws.quick import document

IMAGE = "ami-12c6146b"
SLOW = {
    "DescribeImages", "DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribeSnapshots",
    "DescribeVpcEndpointServices",
}  # fmt: skip

OTHER_VERSION = """
import moto
moto.__version__ = "5.9.9"
import boto3
from moto.core.serialize import EC2Serializer
own = EC2Serializer._serialize_result
from dlcluster.local.aws import quick
from dlcluster.local.aws.front import Emulator, serve
emulator = Emulator()
server = serve(emulator)
ec2 = boto3.client("ec2", region_name="us-east-1", endpoint_url=server.endpoint,
                   aws_access_key_id="a", aws_secret_access_key="b")
ec2.run_instances(ImageId="ami-12c6146b", MinCount=2, MaxCount=2)
found = ec2.describe_instances()["Reservations"][0]["Instances"]
assert EC2Serializer._serialize_result is own and not quick.replaced
print("instances", len(found), found[0]["State"]["Name"])
emulator.close()
server.close()
"""


def test_a_dictionary_becomes_the_same_xml_as_before() -> None:
    body = {
        "Answer": {
            "@xmlns": 'http://x/?a="b"&c',
            "text": "a < b & c > d",
            "numbers": {"item": [1, 2.5, True, False]},
            "rows": {"item": [{"key": "k", "value": None}, {"key": "", "value": {}}]},
            "none": [],
            "empty": "",
        }
    }
    assert xmltodict.parse(document(body)) == xmltodict.parse(xmltodict.unparse(body, short_empty_elements=True))


@pytest.fixture(scope="module")
def full(cloud: Any) -> Any:
    """An account with instances of every state, on demand and spot, with cards, addresses, tags, roles and disks."""
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    vpc, subnet, group = cloud.network()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    iam.create_role(RoleName="node", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    ec2.create_key_pair(KeyName="key")
    ec2.create_placement_group(GroupName="near", Strategy="cluster")
    tags = [{"ResourceType": kind, "Tags": [{"Key": "a<b", "Value": '"1 & 2"'}]} for kind in ("instance", "volume")]
    cards = [
        {"DeviceIndex": int(card > 0), "NetworkCardIndex": card, "InterfaceType": "efa", "SubnetId": subnet,
         "Groups": [group]} for card in range(2)
    ]  # fmt: skip
    disk = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True}}
    public = {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}
    one = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1}
    made = [
        ec2.run_instances(**{**one, **more})["Instances"][0]["InstanceId"]
        for more in (
            {"InstanceType": "c5.large", "SubnetId": subnet, "KeyName": "key", "IamInstanceProfile": {"Name": "node"}},
            {"InstanceType": "p4d.24xlarge", "NetworkInterfaces": cards, "Placement": {"GroupName": "near"}},
            {"InstanceType": "c5.large", "NetworkInterfaces": [public], "TagSpecifications": tags},
            {"InstanceType": "c5.large", "InstanceMarketOptions": {"MarketType": "spot"}, "MaxCount": 3},
            {"InstanceType": "c5.large", "BlockDeviceMappings": [disk], "Monitoring": {"Enabled": True}},
            {"InstanceType": "t3.micro", "MetadataOptions": {"HttpTokens": "required"}},
        )
    ]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=made[0])
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"])
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3")
    ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": IMAGE, "KeyName": "key"})
    ec2.stop_instances(InstanceIds=made[4:5])
    ec2.terminate_instances(InstanceIds=made[5:])
    return cloud


def answers(ec2: Any) -> dict[str, Any]:
    """What every description answers that moto has and that needs no parameter."""
    has = method_names_from_class(EC2Response)
    found: dict[str, Any] = {}
    for method, action in ec2.meta.method_to_api_mapping.items():
        shape = ec2.meta.service_model.operation_model(action).input_shape
        plain = action.startswith(("Describe", "Get")) and not (shape and shape.required_members)
        if not plain or action in SLOW or method not in has:
            continue
        try:
            found[action] = getattr(ec2, method)()
        except ClientError as refusal:
            found[action] = refusal.response
        del found[action]["ResponseMetadata"]
    return found


def test_every_description_is_what_moto_itself_would_answer(full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = full.client("ec2")
    fast = answers(ec2)
    assert quick.replaced, "nothing makes this version of moto faster"
    for owner, name, own in quick.replaced:
        monkeypatch.setattr(owner, name, own)
    assert answers(ec2) == fast
    told = [item for row in fast["DescribeInstances"]["Reservations"] for item in row["Instances"]]
    assert {item["State"]["Name"] for item in told} == {"running", "stopped", "terminated"}
    assert sum(len(rows) > 0 for answer in fast.values() for rows in answer.values() if isinstance(rows, list)) > 20


def test_another_version_of_moto_is_left_as_it_is_and_works(tmp_path: Any) -> None:
    env = {**os.environ, "DLCLUSTER_LOCAL_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OTHER_VERSION], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["instances", "2", "running"], done.stderr
