"""Elastic addresses: on instances, across stop and start, and gone from what has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError


class Public:
    """A network with a way to the internet and an instance in it, with nodes."""

    def __init__(self, cloud: Any) -> None:
        self.cloud, self.ec2 = cloud, cloud.client("ec2")
        self.vpc, self.subnet, _ = cloud.network()
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(VpcId=self.vpc, InternetGatewayId=gateway)

    def launch(self, *, settle: bool = True) -> str:
        interface = {"DeviceIndex": 0, "SubnetId": self.subnet, "AssociatePublicIpAddress": True}
        request = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1, "NetworkInterfaces": [interface]}
        made = self.ec2.run_instances(**request)["Instances"][0]["InstanceId"]
        if settle:
            self.cloud.settle()
        return str(made)

    def allocate(self) -> tuple[str, str]:
        made = self.ec2.allocate_address(Domain="vpc")
        return made["AllocationId"], made["PublicIp"]

    def addresses(self, instance_id: str) -> tuple[str, str]:
        """Public and private."""
        row = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return row.get("PublicIpAddress", ""), row["PrivateIpAddress"]

    def holder(self, allocation: str) -> str:
        return str(self.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0].get("InstanceId", ""))


@pytest.fixture
def public(node_cloud: Any) -> Iterator[Public]:
    public = Public(node_cloud)
    yield public
    live = [item.id for item in node_cloud.emulator.compute.instances() if item.state != "terminated"]
    if live:
        public.ec2.terminate_instances(InstanceIds=live)


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_an_address_stays_with_its_instance_until_that_ends(public: Public) -> None:
    ec2, instance = public.ec2, public.launch()
    allocation, address = public.allocate()
    private = public.addresses(instance)[1]
    association = ec2.associate_address(AllocationId=allocation, InstanceId=instance)["AssociationId"]
    assert public.addresses(instance) == (address, private)
    ec2.stop_instances(InstanceIds=[instance])
    assert public.addresses(instance) == (address, private)
    ec2.start_instances(InstanceIds=[instance])
    public.cloud.settle()
    assert public.addresses(instance) == (address, private)
    assert refusal(ec2.release_address, AllocationId=allocation) == "InvalidIPAddress.InUse"
    ec2.disassociate_address(AssociationId=association)
    assert public.addresses(instance) == (private, private)
    ec2.associate_address(AllocationId=allocation, InstanceId=instance)
    ec2.terminate_instances(InstanceIds=[instance])
    assert public.holder(allocation) == ""
    ec2.release_address(AllocationId=allocation)


def test_an_address_moves_and_an_instance_has_one_at_a_time(public: Public) -> None:
    ec2, first, second = public.ec2, public.launch(), public.launch()
    (one, address), (two, _) = public.allocate(), public.allocate()
    ec2.associate_address(AllocationId=one, InstanceId=first)
    ec2.associate_address(AllocationId=one, InstanceId=second)
    assert public.holder(one) == second
    assert public.addresses(second)[0] == address
    assert public.addresses(first)[0] != address
    ec2.associate_address(AllocationId=two, InstanceId=second)
    assert (public.holder(one), public.holder(two)) == ("", second)
    kept = {"AllocationId": two, "InstanceId": first, "AllowReassociation": False}
    assert refusal(ec2.associate_address, **kept) == "Resource.AlreadyAssociated"


def test_what_has_no_address_yet_or_no_gateway_is_refused(public: Public, node_cloud: Any) -> None:
    ec2, pending = public.ec2, public.launch(settle=False)
    allocation = public.allocate()[0]
    assert refusal(ec2.associate_address, AllocationId=allocation, InstanceId=pending) == "InvalidInstanceID"
    inner = ec2.create_network_interface(SubnetId=node_cloud.network()[1])["NetworkInterface"]["NetworkInterfaceId"]
    request = {"AllocationId": allocation, "NetworkInterfaceId": inner}
    assert refusal(ec2.associate_address, **request) == "Gateway.NotAttached"
    assert refusal(ec2.associate_address, AllocationId="eipalloc-0", NetworkInterfaceId=inner) != ""
