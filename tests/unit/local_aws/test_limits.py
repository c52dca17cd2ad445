"""What EC2 refuses to launch: too many interfaces for a type or a card, more vCPUs than the quota."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-785db401"
G_QUOTA, G_SPOT = "L-DB2E81BA", "L-3819A6DF"


def nic(card: int = 0, device: int = 0, kind: str = "interface", **more: Any) -> dict[str, Any]:
    return {"NetworkCardIndex": card, "DeviceIndex": device, "InterfaceType": kind, **more}


def launch(cloud: Any, instance_type: str, interfaces: list[dict[str, Any]] | None = None, **more: Any) -> str:
    """`done`, or the code of the refusal; a dry run when interfaces are given."""
    request = {"ImageId": IMAGE, "InstanceType": instance_type, "MinCount": 1, "MaxCount": 1, **more}
    if interfaces is not None:
        request |= {"NetworkInterfaces": interfaces, "DryRun": True}
    try:
        cloud.client("ec2").run_instances(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


@pytest.mark.parametrize(
    ("instance_type", "interfaces", "code"),
    [
        ("t3.micro", [nic(), nic(device=1)], "DryRunOperation"),
        ("t3.micro", [nic(), nic(device=1), nic(device=2)], "AttachmentLimitExceeded"),
        ("t3.micro", [nic(kind="efa")], "AttachmentLimitExceeded"),
        ("t3.micro", [nic(), nic(card=1)], "InvalidParameterValue"),
        ("t3.micro", [nic(), nic()], "InvalidParameterValue"),
        ("t3.micro", [nic(device=1)], "UnsupportedOperation"),
        ("t3.micro", [nic(AssociatePublicIpAddress=True), nic(device=1)], "InvalidParameterCombination"),
        ("p5.48xlarge", [nic(), *(nic(c, 1, "efa-only") for c in range(32))], "DryRunOperation"),
        ("p5.48xlarge", [nic(), *(nic(c, 1, "efa-only") for c in range(33))], "InvalidParameterValue"),
        ("p5.48xlarge", [nic(), nic(1, 0), nic(1, 1), nic(1, 2)], "AttachmentLimitExceeded"),
        ("p5.48xlarge", [nic(kind="efa-only")], "InvalidParameterCombination"),
        ("p6-b300.48xlarge", [nic(kind="efa")], "InvalidParameterCombination"),
    ],
)
def test_interfaces_fit_the_type_and_its_cards(
    cloud: Any, instance_type: str, interfaces: list[dict[str, Any]], code: str
) -> None:
    assert launch(cloud, instance_type, interfaces) == code


def test_a_quota_counts_running_vcpus_of_its_family_and_market(cloud: Any) -> None:
    quotas = cloud.emulator.quotas
    quotas.set("us-east-1", G_QUOTA, 12)
    quotas.set("us-east-1", G_SPOT, 0)
    assert launch(cloud, "g5.2xlarge") == "done"  # 8 vCPUs
    assert launch(cloud, "g5.2xlarge") == "VcpuLimitExceeded"
    assert launch(cloud, "g4dn.xlarge", MinCount=2, MaxCount=2) == "VcpuLimitExceeded"
    assert launch(cloud, "g4dn.xlarge") == "done"
    assert launch(cloud, "t3.micro") == "done"  # of another family
    assert launch(cloud, "g5.xlarge", InstanceMarketOptions={"MarketType": "spot"}) == "MaxSpotInstanceCountExceeded"
    cloud.client("service-quotas").request_service_quota_increase(ServiceCode="ec2", QuotaCode=G_QUOTA, DesiredValue=20)
    assert launch(cloud, "g5.2xlarge") == "done"


def test_service_quotas_tell_what_is_in_force(cloud: Any) -> None:
    quotas = cloud.client("service-quotas")
    cloud.emulator.quotas.set("us-east-1", "L-417A185B", 192)
    quota = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-417A185B")["Quota"]
    assert (quota["QuotaName"], quota["Value"]) == ("Running On-Demand P instances", 192)
    assert quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode="L-417A185B")["Quota"]["Value"] > 192
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="ec2", PaginationConfig={"PageSize": 5})
    rows = {row["QuotaCode"]: row["Value"] for part in pages for row in part["Quotas"]}
    assert rows["L-417A185B"] == 192
    assert {"L-1216C47A", "L-34B43A08", G_QUOTA, G_SPOT} <= rows.keys()
    with pytest.raises(ClientError, match="NoSuchResource"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-0")
    with pytest.raises(ClientError, match="IllegalArgument"):
        quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-417A185B", DesiredValue=1)


def test_instance_types_come_in_pages_unless_they_are_named(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    first = ec2.describe_instance_types()
    assert len(first["InstanceTypes"]) == 100
    second = ec2.describe_instance_types(NextToken=first["NextToken"], MaxResults=5)["InstanceTypes"]
    names = [kind["InstanceType"] for kind in [*first["InstanceTypes"], *second]]
    assert len(set(names)) == 105
    assert [
        kind["InstanceType"] for kind in ec2.describe_instance_types(InstanceTypes=["p5.48xlarge"])["InstanceTypes"]
    ]


def test_types_and_offerings_are_filtered_as_on_ec2(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    arm = [{"Name": "processor-info.supported-architecture", "Values": ["arm64"]}]
    first = ec2.describe_instance_types(Filters=arm)
    assert len(first["InstanceTypes"]) == 100
    assert {"arm64"} == {a for row in first["InstanceTypes"] for a in row["ProcessorInfo"]["SupportedArchitectures"]}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.describe_instance_types(Filters=[{"Name": "colour", "Values": ["red"]}])
    p5 = [{"Name": "instance-type", "Values": ["p5.*"]}]
    assert "p5.48xlarge" in {row["InstanceType"] for row in ec2.describe_instance_types(Filters=p5)["InstanceTypes"]}
    zones = [*p5, {"Name": "location", "Values": ["us-east-1a", "us-east-1b"]}]
    offered = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=zones)
    rows = offered["InstanceTypeOfferings"]
    assert {(row["InstanceType"].split(".")[0], row["LocationType"]) for row in rows} == {("p5", "availability-zone")}
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(PaginationConfig={"PageSize": 500})
    names = [row["InstanceType"] for part in pages for row in part["InstanceTypeOfferings"]]
    assert len(names) == len(set(names)) > 1000
    with pytest.raises(ClientError, match="InvalidFilter"):
        ec2.describe_instance_type_offerings(Filters=[{"Name": "colour", "Values": ["red"]}])
