"""A request that comes again with its client token takes effect once."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.faults import Fault


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_every_kind_of_ec2_request_with_a_token_takes_effect_once(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    vpc, subnet, _ = cloud.network()
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    disk = {"AvailabilityZone": "us-east-1a", "Size": 1}
    requests: list[tuple[Any, dict[str, Any], str, dict[str, Any]]] = [
        (ec2.create_volume, disk, "VolumeId", {"Size": 2}),
        (ec2.create_network_interface, {"SubnetId": subnet}, "NetworkInterface", {"Description": "x"}),
        (ec2.create_nat_gateway, {"SubnetId": subnet, "AllocationId": address}, "NatGateway", {"SubnetId": "x"}),
        (ec2.create_launch_template, {"LaunchTemplateName": "t", "LaunchTemplateData": {"InstanceType": "c5.large"}},
         "LaunchTemplate", {"VersionDescription": "x"}),
        (ec2.create_route_table, {"VpcId": vpc}, "RouteTable", {"VpcId": "vpc-0"}),
        (ec2.create_capacity_reservation, {"InstanceType": "p5.48xlarge", "InstancePlatform": "Linux/UNIX",
         "AvailabilityZone": "us-east-1a", "InstanceCount": 1}, "CapacityReservation", {"InstanceCount": 2}),
    ]  # fmt: skip
    for call, params, key, other in requests:
        first, second = call(**params, ClientToken="once"), call(**params, ClientToken="once")
        assert first[key] == second[key]
        assert refusal(call, **{**params, **other}, ClientToken="once") == "IdempotentParameterMismatch"
    assert len(ec2.describe_volumes(Filters=[{"Name": "size", "Values": ["1"]}])["Volumes"]) == 1


def test_a_refused_request_does_not_use_up_its_token(cloud: Any) -> None:
    ec2, request = cloud.client("ec2"), {"AvailabilityZone": "us-east-1a", "Size": 3, "ClientToken": "again"}
    cloud.emulator.faults.add(Fault(kind="internal", action="CreateVolume"))
    assert refusal(ec2.create_volume, **request) == "InternalError"
    assert ec2.create_volume(**request)["Size"] == 3


def test_the_token_of_a_launch_whose_instance_is_gone_is_refused(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    launch = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1, "ClientToken": "gone"}
    made = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[made])
    assert refusal(ec2.run_instances, **launch) == "IdempotentInstanceTerminated"


def test_efs_and_fsx_know_a_token_again(cloud: Any) -> None:
    efs, fsx = cloud.client("efs"), cloud.client("fsx")
    system = efs.create_file_system(CreationToken="disk")["FileSystemId"]
    assert refusal(efs.create_file_system, CreationToken="disk") == "FileSystemAlreadyExists"
    efs.create_access_point(FileSystemId=system, ClientToken="point")
    assert refusal(efs.create_access_point, FileSystemId=system, ClientToken="point") == "AccessPointAlreadyExists"
    efs.delete_access_point(AccessPointId=efs.describe_access_points()["AccessPoints"][0]["AccessPointId"])
    efs.create_access_point(FileSystemId=system, ClientToken="point")
    subnet = cloud.network()[1]
    lustre = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200, "SubnetIds": [subnet], "ClientRequestToken": "a"}
    assert fsx.create_file_system(**lustre)["FileSystem"] == fsx.create_file_system(**lustre)["FileSystem"]
    lustre["StorageCapacity"] = 2400
    assert refusal(fsx.create_file_system, **lustre) == "IncompatibleParameterError"
