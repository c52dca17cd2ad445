"""Requests that AWS refuses and moto takes: volumes, buckets, trust policies, tags, retention, ids."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-12c6146b"


@pytest.fixture(scope="module")
def ec2(cloud: Any) -> Any:
    return cloud.client("ec2")


@pytest.fixture(scope="module")
def instance(cloud: Any, ec2: Any) -> str:
    _, subnet, _ = cloud.network()
    asked = {"ImageId": IMAGE, "InstanceType": "t3.micro", "SubnetId": subnet, "MinCount": 1, "MaxCount": 1}
    return str(ec2.run_instances(**asked)["Instances"][0]["InstanceId"])


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def zones_of(ec2: Any, instance: str) -> tuple[str, str]:
    """The zone of an instance, and another one."""
    (row,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    here = row["Placement"]["AvailabilityZone"]
    return here, next(f"us-east-1{letter}" for letter in "ab" if f"us-east-1{letter}" != here)


def test_a_volume_is_attached_once_in_its_zone_at_a_free_place(ec2: Any, instance: str) -> None:
    here, elsewhere = zones_of(ec2, instance)
    first, second = (ec2.create_volume(Size=5, AvailabilityZone=here)["VolumeId"] for _ in range(2))
    far = ec2.create_volume(Size=5, AvailabilityZone=elsewhere)["VolumeId"]
    place = {"InstanceId": instance, "Device": "/dev/sdf"}
    assert refusal(ec2.attach_volume, VolumeId=far, **place) == "InvalidVolume.ZoneMismatch"
    ec2.attach_volume(VolumeId=first, **place)
    assert refusal(ec2.attach_volume, VolumeId=first, **{**place, "Device": "/dev/sdg"}) == "VolumeInUse"
    assert refusal(ec2.attach_volume, VolumeId=second, **place) == "InvalidParameterValue"
    assert refusal(ec2.delete_volume, VolumeId=first) == "VolumeInUse"
    ec2.detach_volume(VolumeId=first)
    ec2.attach_volume(VolumeId=second, **place)
    ec2.detach_volume(VolumeId=second)
    for volume in (first, second, far):
        ec2.delete_volume(VolumeId=volume)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"AvailabilityZone": "us-east-1z"}, "InvalidZone.NotFound"),
        ({"Size": 0}, "InvalidParameterValue"),
        ({"Size": 99_999, "VolumeType": "gp3"}, "InvalidParameterValue"),
        ({"Size": 100, "VolumeType": "st1"}, "InvalidParameterValue"),
    ],
)
def test_volumes_that_cannot_be_are_refused(ec2: Any, params: dict[str, Any], code: str) -> None:
    assert refusal(ec2.create_volume, **{"Size": 5, "AvailabilityZone": "us-east-1a", **params}) == code


def test_a_type_changes_only_while_its_instance_is_stopped(ec2: Any, instance: str) -> None:
    wanted = {"InstanceId": instance, "InstanceType": {"Value": "t3.small"}}
    assert refusal(ec2.modify_instance_attribute, **wanted) == "IncorrectInstanceState"
    told = {"InstanceId": instance, "Attribute": "instanceType", "Value": "t3.small"}
    assert refusal(ec2.modify_instance_attribute, **told) == "IncorrectInstanceState"
    (row,) = ec2.start_instances(InstanceIds=[instance])["StartingInstances"]
    assert row["CurrentState"]["Name"] == "running", "it ran, and still does"
    ec2.stop_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(**wanted)
    ec2.start_instances(InstanceIds=[instance])
    (row,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert (row["InstanceType"], row["HibernationOptions"]) == ("t3.small", {"Configured": False})


def test_ids_that_are_none_and_tags_that_are_awss_are_refused(ec2: Any, instance: str) -> None:
    assert refusal(ec2.describe_instances, InstanceIds=["x"]) == "InvalidInstanceID.Malformed"
    tag = [{"Key": "aws:mine", "Value": "x"}]
    assert refusal(ec2.create_tags, Resources=[instance], Tags=tag) == "InvalidParameterValue"
    volume = [{"ResourceType": "volume", "Tags": tag}]
    place = {"Size": 1, "AvailabilityZone": "us-east-1a"}
    assert refusal(ec2.create_volume, **place, TagSpecifications=volume) == "InvalidParameterValue"


@pytest.mark.parametrize("name", ["Bad_Name", "10.0.0.1", "a..b", "-abc", "x" * 64])
def test_names_that_no_bucket_has_are_refused(cloud: Any, name: str) -> None:
    assert refusal(cloud.client("s3").create_bucket, Bucket=name) == "InvalidBucketName"


def test_trust_that_is_no_json_and_a_retention_that_is_not_offered_are_refused(cloud: Any) -> None:
    iam, logs = cloud.client("iam"), cloud.client("logs")
    asked = {"RoleName": "bad", "AssumeRolePolicyDocument": "{bad"}
    assert refusal(iam.create_role, **asked) == "MalformedPolicyDocument"
    logs.create_log_group(logGroupName="kept")
    named = {"logGroupName": "kept"}
    assert refusal(logs.put_retention_policy, **named, retentionInDays=8) == "InvalidParameterException"
    logs.put_retention_policy(**named, retentionInDays=7)


def test_a_group_names_zones_that_there_are(cloud: Any, ec2: Any) -> None:
    data = {"ImageId": IMAGE, "InstanceType": "t3.micro"}
    ec2.create_launch_template(LaunchTemplateName="zones", LaunchTemplateData=data)
    asked = {"AutoScalingGroupName": "g", "LaunchTemplate": {"LaunchTemplateName": "zones"}, "MinSize": 0, "MaxSize": 0}
    create = cloud.client("autoscaling").create_auto_scaling_group
    assert refusal(create, **asked, AvailabilityZones=["us-east-1q"]) == "ValidationError"


def test_what_groups_cannot_have_here_is_refused_by_name(cloud: Any) -> None:
    scaling = cloud.client("autoscaling")
    assert refusal(scaling.put_warm_pool, AutoScalingGroupName="g") == "InvalidAction"
    assert refusal(scaling.attach_load_balancers, AutoScalingGroupName="g", LoadBalancerNames=["x"]) == "InvalidAction"
    asked = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 0, "AvailabilityZones": ["us-east-1a"]}
    template = {"LaunchTemplateName": "zones"}
    with pytest.raises(ClientError, match="Not emulated: TargetGroupARNs"):
        scaling.create_auto_scaling_group(**asked, LaunchTemplate=template, TargetGroupARNs=["arn:aws:target"])


def test_a_dry_run_makes_and_removes_nothing(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="127.9.0.0/16")["Vpc"]["VpcId"]
    before = len(ec2.describe_vpcs()["Vpcs"])
    assert refusal(ec2.create_vpc, CidrBlock="127.9.0.0/16", DryRun=True) == "DryRunOperation"
    assert refusal(ec2.delete_vpc, VpcId=vpc, DryRun=True) == "DryRunOperation"
    storage = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3"}
    assert refusal(ec2.create_vpc_endpoint, **storage, DryRun=True) == "DryRunOperation"
    assert len(ec2.describe_vpcs()["Vpcs"]) == before
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    ec2.delete_vpc(VpcId=vpc)


def test_a_user_is_one_of_iam(cloud: Any) -> None:
    assert cloud.client("sts").get_caller_identity()["Arn"].startswith("arn:aws:iam::123456789012:user/")
