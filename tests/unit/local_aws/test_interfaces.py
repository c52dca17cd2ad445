"""Private addresses of network interfaces: one holder each, given back when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-12c6146b"


class Small:
    """A subnet of 16 addresses: EC2 keeps five of them, so what is drawn at random collides at once."""

    def __init__(self, cloud: Any) -> None:
        self.ec2, self.compute = cloud.client("ec2"), cloud.emulator.compute
        self.vpc, _, self.group = cloud.network()
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="127.1.9.0/28")["Subnet"]["SubnetId"]

    def run(self, cards: int = 1, **params: Any) -> dict[str, Any]:
        interfaces = [
            {"DeviceIndex": min(card, 1), "NetworkCardIndex": card, "InterfaceType": "efa" if card == 0 else "efa-only",
             "SubnetId": self.subnet, "Groups": [self.group], **(params if card == 0 else {})}
            for card in range(cards)
        ]  # fmt: skip
        kind = "p5.48xlarge" if cards > 1 else "c5n.18xlarge"
        made = self.ec2.run_instances(
            ImageId=IMAGE, InstanceType=kind, MinCount=1, MaxCount=1, NetworkInterfaces=interfaces
        )
        return dict(made["Instances"][0])

    def interface(self, **params: Any) -> dict[str, Any]:
        return dict(self.ec2.create_network_interface(SubnetId=self.subnet, **params)["NetworkInterface"])

    def addresses(self) -> list[str]:
        rows = self.ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [self.subnet]}])
        return [item["PrivateIpAddress"] for row in rows["NetworkInterfaces"] for item in row["PrivateIpAddresses"]]

    def clear(self) -> None:
        live = [item.id for item in self.compute.instances() if item.state != "terminated"]
        if live:
            self.ec2.terminate_instances(InstanceIds=live)
        for row in self.ec2.describe_network_interfaces()["NetworkInterfaces"]:
            self.ec2.delete_network_interface(NetworkInterfaceId=row["NetworkInterfaceId"])


@pytest.fixture(scope="module")
def small(cloud: Any) -> Small:
    return Small(cloud)


@pytest.fixture(autouse=True)
def _cleared(small: Small) -> Iterator[None]:
    yield
    small.clear()


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_no_two_interfaces_have_the_same_address_nor_one_of_ec2s(small: Small) -> None:
    for _ in range(3):  # at random, one round in three hundred would pass
        small.run(cards=4)
        for _ in range(4):
            small.interface()
        found = small.addresses()
        assert len(set(found)) == len(found) == 8
        assert all(4 <= int(item.rpartition(".")[2]) < 15 for item in found)
        small.clear()


def test_the_addresses_of_what_is_gone_are_given_again(small: Small) -> None:
    for _ in range(4):  # four times eight of eleven
        small.run(cards=8)
        small.clear()


def test_an_address_is_given_to_one_only_also_after_its_instance_is_forgotten(small: Small) -> None:
    kept = small.run(DeleteOnTermination=False)
    small.ec2.terminate_instances(InstanceIds=[kept["InstanceId"]])
    small.ec2.delete_network_interface(NetworkInterfaceId=kept["NetworkInterfaces"][0]["NetworkInterfaceId"])
    again = small.run(PrivateIpAddress=kept["PrivateIpAddress"])
    assert again["PrivateIpAddress"] == kept["PrivateIpAddress"]
    assert refusal(small.interface, PrivateIpAddress=kept["PrivateIpAddress"]) == "InvalidIPAddress.InUse"


def test_an_interface_keeps_its_address_when_an_instance_is_launched_with_it(small: Small) -> None:
    interface = small.interface()
    attached = [{"DeviceIndex": 0, "NetworkInterfaceId": interface["NetworkInterfaceId"]}]
    made = small.ec2.run_instances(
        ImageId=IMAGE, InstanceType="c5.large", MinCount=1, MaxCount=1, NetworkInterfaces=attached
    )
    assert made["Instances"][0]["PrivateIpAddress"] == interface["PrivateIpAddress"]
    small.ec2.terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    assert interface["PrivateIpAddress"] in [*small.addresses(), interface["PrivateIpAddress"]]


def test_an_address_that_is_taken_or_outside_is_refused(small: Small) -> None:
    taken = small.run()["PrivateIpAddress"]
    assert refusal(small.run, PrivateIpAddress=taken) == "InvalidIPAddress.InUse"
    assert refusal(small.interface, PrivateIpAddress=taken) == "InvalidIPAddress.InUse"
    for outside in ("127.1.8.9", "127.1.9.1", "127.1.9.15", "nine"):
        assert refusal(small.interface, PrivateIpAddress=outside) == "InvalidParameterValue"


def test_an_attached_interface_is_not_deleted(small: Small) -> None:
    interface = small.run()["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert refusal(small.ec2.delete_network_interface, NetworkInterfaceId=interface) == "InvalidParameterValue"


def test_a_nat_gateway_holds_an_address_until_it_is_deleted(small: Small) -> None:
    allocation = small.ec2.allocate_address(Domain="vpc")["AllocationId"]
    for _ in range(3):
        gateway = small.ec2.create_nat_gateway(SubnetId=small.subnet, AllocationId=allocation)["NatGateway"]
        for _ in range(8):
            small.interface()
        assert len(set(small.addresses())) == len(small.addresses()) == 9
        small.ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
        small.clear()
    small.ec2.release_address(AllocationId=allocation)
