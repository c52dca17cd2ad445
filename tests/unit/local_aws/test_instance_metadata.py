"""What the metadata service of an instance tells, made of a real launch; interruptions of spot instances."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.wire import AwsError
from dlcluster.local.nodes.documents import documents, lookup

IMAGE = "ami-785db401"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKN/LXZQCneGtyYK2uB9IE7PQbMzAmm6m1/vOqL7ea9X"


@pytest.fixture(scope="module")
def launched(cloud: Any) -> str:
    """The id of a spot instance with a role, tags, a public address and two disks."""
    iam, ec2 = cloud.client("iam"), cloud.client("ec2")
    iam.create_role(RoleName="node-role", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="node-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="node-profile", RoleName="node-role")
    ec2.import_key_pair(KeyName="key", PublicKeyMaterial=KEY.encode())
    _, subnet, group = cloud.network()
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
    template = {
        "ImageId": IMAGE,
        "InstanceType": "t3.micro",
        "KeyName": "key",
        "IamInstanceProfile": {"Name": "node-profile"},
        "InstanceMarketOptions": {"MarketType": "spot"},
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        "NetworkInterfaces": [interface],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "dlcluster:role", "Value": "head"}]}],
        "BlockDeviceMappings": [{"DeviceName": name, "Ebs": {"VolumeSize": 9}} for name in ("/dev/sda1", "/dev/sdb")],
    }
    ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=template)
    made = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "t"}, MinCount=1, MaxCount=1)["Instances"]
    return str(made[0]["InstanceId"])


def told(cloud: Any, instance_id: str, path: str) -> str | None:
    compute = cloud.emulator.compute
    tree = documents(
        compute.find(instance_id), account_id="123456789012", credentials=lambda: compute.credentials(instance_id)
    )
    found = lookup(tree, path)
    document = found() if callable(found) else found
    return document.decode() if document is not None else None


def tell(cloud: Any, topic: str, **fields: Any) -> None:
    """Ask the emulator itself for a notice, as another process does."""
    url = f"{cloud.server.endpoint}/_emulator/{topic}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(fields).encode(), method="POST")) as answer:
        assert answer.status == 201


def test_metadata_tell_identity_network_and_disks(cloud: Any, launched: str) -> None:
    described = cloud.client("ec2").describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]
    interface = described["NetworkInterfaces"][0]
    mac = told(cloud, launched, "meta-data/mac")
    assert mac == interface["MacAddress"]
    assert told(cloud, launched, "meta-data/network/interfaces/macs/") == f"{mac}/"
    for path, value in {
        "instance-life-cycle": "spot",
        "public-ipv4": described["PublicIpAddress"],
        "public-keys/": "0=key",
        "public-keys/0/openssh-key": KEY + "\n",
        "security-groups": "nodes",
        "block-device-mapping": "ami\nebs1\nroot",
        "block-device-mapping/ebs1": "/dev/sdb",
        f"network/interfaces/macs/{mac}/subnet-id": described["SubnetId"],
        f"network/interfaces/macs/{mac}/vpc-ipv4-cidr-block": "127.1.0.0/16",
        f"network/interfaces/macs/{mac}/security-group-ids": interface["Groups"][0]["GroupId"],
        f"network/interfaces/macs/{mac}/interface-id": interface["NetworkInterfaceId"],
        f"network/interfaces/macs/{mac}/device-number": "0",
        "events/maintenance/scheduled": "[]",
    }.items():
        assert told(cloud, launched, f"meta-data/{path}") == value, path
    identity = json.loads(told(cloud, launched, "dynamic/instance-identity/document") or "")
    assert (identity["accountId"], identity["architecture"]) == ("123456789012", "x86_64")


def test_the_role_has_its_own_name_and_not_the_profiles(cloud: Any, launched: str) -> None:
    assert told(cloud, launched, "meta-data/iam/security-credentials") == "node-role"
    keys = json.loads(told(cloud, launched, "meta-data/iam/security-credentials/node-role") or "")
    assert cloud.emulator.compute.caller(keys["AccessKeyId"]) == launched
    assert datetime.fromisoformat(keys["Expiration"]) > datetime.now(UTC)
    info = json.loads(told(cloud, launched, "meta-data/iam/info") or "")
    assert info["InstanceProfileArn"] == "arn:aws:iam::123456789012:instance-profile/node-profile"


def test_tags_are_told_where_the_options_allow_it_and_change_with_the_instance(cloud: Any, launched: str) -> None:
    ec2 = cloud.client("ec2")
    names = (told(cloud, launched, "meta-data/tags/instance/") or "").split()
    assert names == ["aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version", "dlcluster:role"]
    ec2.create_tags(Resources=[launched], Tags=[{"Key": "dlcluster:state", "Value": "ready"}])
    assert told(cloud, launched, "meta-data/tags/instance/dlcluster:state") == "ready"
    changed = ec2.modify_instance_metadata_options(InstanceId=launched, InstanceMetadataTags="disabled")
    assert changed["InstanceMetadataOptions"]["HttpTokens"] == "required"
    assert told(cloud, launched, "meta-data/tags/instance/") is None


def test_a_tag_key_that_is_no_path_is_refused_with_tags_in_the_metadata(cloud: Any, launched: str) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a/b", "Value": "c"}]}]
    with pytest.raises(ClientError, match="'a/b' is not a valid tag key"):
        cloud.client("ec2").run_instances(
            LaunchTemplate={"LaunchTemplateName": "t"}, MinCount=1, MaxCount=1, TagSpecifications=tags
        )


def test_an_interruption_is_announced_and_then_done(cloud: Any, launched: str, wait_until: Any) -> None:
    compute = cloud.emulator.compute
    assert told(cloud, launched, "meta-data/spot/instance-action") is None
    tell(cloud, "rebalances", instance=launched)
    assert "noticeTime" in json.loads(told(cloud, launched, "meta-data/events/recommendations/rebalance") or "{}")
    assert told(cloud, launched, "meta-data/spot/instance-action") is None
    tell(cloud, "interruptions", instance=launched, seconds=1)
    notice = json.loads(told(cloud, launched, "meta-data/spot/instance-action") or "")
    assert notice == {"action": "terminate", "time": told(cloud, launched, "meta-data/spot/termination-time")}
    assert compute.state(launched) == "running"
    wait_until(lambda: compute.state(launched) == "terminated")
    described = cloud.client("ec2").describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]
    assert described["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_only_a_spot_instance_is_taken_back(cloud: Any) -> None:
    ours = cloud.client("ec2").run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    with pytest.raises(AwsError, match="no running Spot Instance"):
        cloud.emulator.compute.interrupt(ours)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        tell(cloud, "interruptions", instance=ours)
