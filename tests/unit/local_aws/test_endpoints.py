"""VPC endpoints: interfaces with addresses of their subnets, routes in their tables, and nothing left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

SSM, STORAGE = "com.amazonaws.us-east-1.ssm", "com.amazonaws.us-east-1.s3"


class Place:
    """A VPC with three subnets in two zones, a security group and a route table."""

    def __init__(self, cloud: Any) -> None:
        self.ec2 = cloud.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="127.3.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.a, self.b, self.also_a = (
            self.ec2.create_subnet(
                VpcId=self.vpc, CidrBlock=f"127.3.{number}.0/28", AvailabilityZone=f"us-east-1{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in ((1, "a"), (2, "b"), (3, "a"))
        )
        self.group = self.ec2.create_security_group(GroupName="in", Description="in", VpcId=self.vpc)["GroupId"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        self.table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]

    def interface(self, **params: Any) -> dict[str, Any]:
        asked = {"VpcId": self.vpc, "ServiceName": SSM, "VpcEndpointType": "Interface", "SubnetIds": [self.a], **params}
        return dict(self.ec2.create_vpc_endpoint(**asked)["VpcEndpoint"])

    def gateway(self, **params: Any) -> dict[str, Any]:
        asked = {"VpcId": self.vpc, "ServiceName": STORAGE, **params}
        return dict(self.ec2.create_vpc_endpoint(**asked)["VpcEndpoint"])

    def described(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        (row,) = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])["VpcEndpoints"]
        return dict(row)

    def cards(self) -> list[dict[str, Any]]:
        asked = [{"Name": "vpc-id", "Values": [self.vpc]}]
        return list(self.ec2.describe_network_interfaces(Filters=asked)["NetworkInterfaces"])

    def routes(self) -> list[str]:
        (table,) = self.ec2.describe_route_tables(RouteTableIds=[self.table])["RouteTables"]
        return [route["GatewayId"] for route in table["Routes"] if route.get("DestinationPrefixListId")]

    def free(self) -> dict[str, int]:
        rows = self.ec2.describe_subnets(SubnetIds=[self.a, self.b, self.also_a])["Subnets"]
        return {row["SubnetId"]: row["AvailableIpAddressCount"] for row in rows}


@pytest.fixture(scope="module")
def place(cloud: Any) -> Place:
    return Place(cloud)


@pytest.fixture(autouse=True)
def _nothing_left(place: Place) -> Iterator[None]:
    free = place.free()
    yield
    ids = [row["VpcEndpointId"] for row in place.ec2.describe_vpc_endpoints()["VpcEndpoints"]]
    if ids:
        assert place.ec2.delete_vpc_endpoints(VpcEndpointIds=ids)["Unsuccessful"] == []
    assert (place.cards(), place.routes(), place.free()) == ([], [], free)
    assert place.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_an_interface_endpoint_holds_an_address_of_each_of_its_subnets(place: Place) -> None:
    endpoint = place.interface(SubnetIds=[place.a, place.b], SecurityGroupIds=[place.group])
    cards = {card["SubnetId"]: card for card in place.cards()}
    assert set(cards) == {place.a, place.b}
    assert {card["NetworkInterfaceId"] for card in cards.values()} == set(endpoint["NetworkInterfaceIds"])
    for subnet, prefix in ((place.a, "127.3.1."), (place.b, "127.3.2.")):
        card = cards[subnet]
        assert card["PrivateIpAddress"].startswith(prefix)
        assert [group["GroupId"] for group in card["Groups"]] == [place.group]
        assert (card["InterfaceType"], card["Status"], card["RequesterManaged"]) == ("vpc_endpoint", "in-use", True)
    assert place.free() == {place.a: 10, place.b: 10, place.also_a: 11}
    taken = {"SubnetId": place.a, "PrivateIpAddress": cards[place.a]["PrivateIpAddress"]}
    assert refusal(place.ec2.create_network_interface, **taken) == "InvalidIPAddress.InUse"


def test_what_an_endpoint_uses_is_not_deleted_before_it(place: Place) -> None:
    endpoint = place.interface(SecurityGroupIds=[place.group])
    assert refusal(place.ec2.delete_security_group, GroupId=place.group) == "DependencyViolation"
    assert refusal(place.ec2.delete_subnet, SubnetId=place.a) == "DependencyViolation"
    assert refusal(place.ec2.delete_vpc, VpcId=place.vpc) == "DependencyViolation"
    card = endpoint["NetworkInterfaceIds"][0]
    assert refusal(place.ec2.delete_network_interface, NetworkInterfaceId=card) == "InvalidParameterValue"


def test_a_changed_endpoint_has_the_interfaces_and_groups_of_now(place: Place) -> None:
    endpoint = place.interface()
    assert [group["GroupName"] for group in endpoint["Groups"]] == ["default"]
    default = endpoint["Groups"][0]["GroupId"]
    named = {"VpcEndpointId": endpoint["VpcEndpointId"]}
    place.ec2.modify_vpc_endpoint(**named, AddSubnetIds=[place.b], AddSecurityGroupIds=[place.group])
    assert {card["SubnetId"] for card in place.cards()} == {place.a, place.b}
    assert all({group["GroupId"] for group in card["Groups"]} == {default, place.group} for card in place.cards())
    assert refusal(place.ec2.modify_vpc_endpoint, **named, AddSubnetIds=[place.also_a]) == "DuplicateSubnetsInSameZone"
    # One subnet of a zone for another of it, in one call.
    place.ec2.modify_vpc_endpoint(**named, AddSubnetIds=[place.also_a], RemoveSubnetIds=[place.a])
    assert {card["SubnetId"] for card in place.cards()} == {place.also_a, place.b}
    shown = place.described(endpoint)
    assert set(shown["SubnetIds"]) == {place.also_a, place.b}
    assert set(shown["NetworkInterfaceIds"]) == {card["NetworkInterfaceId"] for card in place.cards()}
    place.ec2.modify_vpc_endpoint(**named, RemoveSecurityGroupIds=[default])
    assert all([group["GroupId"] for group in card["Groups"]] == [place.group] for card in place.cards())


def test_a_gateway_has_a_route_in_each_of_its_tables(place: Place) -> None:
    endpoint = place.gateway()
    named = {"VpcEndpointId": endpoint["VpcEndpointId"]}
    assert place.routes() == []
    place.ec2.modify_vpc_endpoint(**named, AddRouteTableIds=[place.table])
    assert place.routes() == [endpoint["VpcEndpointId"]]
    assert place.described(endpoint)["RouteTableIds"] == [place.table]
    assert refusal(place.gateway, RouteTableIds=[place.table]) == "RouteAlreadyExists"
    place.ec2.modify_vpc_endpoint(**named, RemoveRouteTableIds=[place.table])
    assert place.routes() == []
    place.ec2.modify_vpc_endpoint(**named, AddRouteTableIds=[place.table])  # the fixture deletes it with its route


def test_what_endpoints_cannot_be_is_refused(place: Place) -> None:
    other = place.ec2.create_vpc(CidrBlock="127.4.0.0/16")["Vpc"]["VpcId"]
    subnet = place.ec2.create_subnet(VpcId=other, CidrBlock="127.4.1.0/28")["Subnet"]["SubnetId"]
    for code, params in [
        ("DuplicateSubnetsInSameZone", {"SubnetIds": [place.a, place.also_a]}),
        ("InvalidParameter", {"SubnetIds": [subnet]}),
        ("InvalidParameter", {"VpcId": other, "SubnetIds": [subnet]}),  # private names, but no names of hosts
        ("InvalidParameter", {"RouteTableIds": [place.table]}),
        ("InvalidServiceName", {"ServiceName": "com.amazonaws.us-east-1.smm"}),
        ("InvalidServiceName", {"ServiceName": "com.amazonaws.eu-west-1.ssm"}),
        ("InvalidVpcID.NotFound", {"VpcId": "vpc-00000000"}),
        ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-00000000"]}),
        ("UnsupportedOperation", {"IpAddressType": "dualstack"}),
    ]:
        assert refusal(place.interface, **params) == code
    for code, params in [
        ("InvalidParameter", {"ServiceName": SSM}),
        ("InvalidParameter", {"SubnetIds": [place.a]}),
        ("InvalidRouteTableID.NotFound", {"RouteTableIds": ["rtb-00000000"]}),
    ]:
        assert refusal(place.gateway, **params) == code
    place.ec2.delete_subnet(SubnetId=subnet)
    place.ec2.delete_vpc(VpcId=other)


def test_an_endpoint_that_is_not_there_is_told_beside_those_that_were_deleted(place: Place) -> None:
    endpoint = place.gateway()
    ids = ["vpce-00000000000000000", endpoint["VpcEndpointId"]]
    (row,) = place.ec2.delete_vpc_endpoints(VpcEndpointIds=ids)["Unsuccessful"]
    assert (row["ResourceId"], row["Error"]["Code"]) == (ids[0], "InvalidVpcEndpointId.NotFound")


def test_assigned_addresses_are_of_the_subnet_and_given_back(place: Place) -> None:
    card = place.ec2.create_network_interface(SubnetId=place.a)["NetworkInterface"]
    named = {"NetworkInterfaceId": card["NetworkInterfaceId"]}
    for _ in range(3):  # three times eight of ten
        rows = place.ec2.assign_private_ip_addresses(**named, SecondaryPrivateIpAddressCount=8)
        given = [row["PrivateIpAddress"] for row in rows["AssignedPrivateIpAddresses"]]
        assert len({card["PrivateIpAddress"], *given}) == 9
        assert all(4 <= int(item.rpartition(".")[2]) < 15 for item in given)
        place.ec2.unassign_private_ip_addresses(**named, PrivateIpAddresses=given)
    many = {**named, "SecondaryPrivateIpAddressCount": 11}
    assert refusal(place.ec2.assign_private_ip_addresses, **many) == "InsufficientFreeAddressesInSubnet"
    own = [card["PrivateIpAddress"]]
    assert refusal(place.ec2.unassign_private_ip_addresses, **named, PrivateIpAddresses=own) == "InvalidParameterValue"
    place.ec2.delete_network_interface(**named)


def test_interfaces_of_services_are_theirs(place: Place, cloud: Any) -> None:
    efs = cloud.client("efs")
    system = efs.create_file_system(CreationToken="theirs")["FileSystemId"]
    target = efs.create_mount_target(FileSystemId=system, SubnetId=place.a)
    card = {"NetworkInterfaceId": target["NetworkInterfaceId"]}
    assert refusal(place.ec2.delete_network_interface, **card) == "InvalidParameterValue"
    efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    efs.delete_file_system(FileSystemId=system)
    address = place.ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = place.ec2.create_nat_gateway(SubnetId=place.a, AllocationId=address)["NatGateway"]
    (told,) = gateway["NatGatewayAddresses"]
    (held,) = place.cards()
    assert (held["PrivateIpAddress"], held["InterfaceType"]) == (told["PrivateIp"], "nat_gateway")
    assert held["PrivateIpAddress"].startswith("127.3.1.")
    named = {"NetworkInterfaceId": told["NetworkInterfaceId"]}
    assert refusal(place.ec2.delete_network_interface, **named) == "InvalidParameterValue"
    place.ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    place.ec2.release_address(AllocationId=address)
