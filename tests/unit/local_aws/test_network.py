"""What EC2 refuses between VPCs, gateways, routes, ACLs and groups."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def ec2(cloud: Any) -> Any:
    return cloud.client("ec2")


class Vpc:
    """A VPC with a subnet, a route table and a gateway that is not attached yet."""

    def __init__(self, ec2: Any, cidr: str) -> None:
        self.id = ec2.create_vpc(CidrBlock=f"{cidr}.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=self.id, CidrBlock=f"{cidr}.1.0/24")["Subnet"]["SubnetId"]
        self.table = ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]


@pytest.fixture(scope="module")
def one(ec2: Any) -> Vpc:
    return Vpc(ec2, "127.6")


@pytest.fixture(scope="module")
def other(ec2: Any) -> Vpc:
    vpc = Vpc(ec2, "127.7")
    ec2.attach_internet_gateway(InternetGatewayId=vpc.gateway, VpcId=vpc.id)
    return vpc


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_a_route_needs_a_gateway_that_is_attached_to_its_vpc(ec2: Any, one: Vpc, other: Vpc) -> None:
    route = {"RouteTableId": one.table, "DestinationCidrBlock": "0.0.0.0/0"}
    with pytest.raises(ClientError, match=f"network gateway {one.gateway} belong to different networks"):
        ec2.create_route(**route, GatewayId=one.gateway)
    assert refusal(ec2.create_route, **route, GatewayId=other.gateway) == "InvalidParameterValue"
    assert refusal(ec2.create_route, **route, GatewayId="igw-00000000") == "InvalidGatewayID.NotFound"
    assert refusal(ec2.create_route, **route, NatGatewayId="nat-00000000") == "InvalidNatGatewayID.NotFound"
    named = {**route, "RouteTableId": other.table}
    ec2.create_route(**named, GatewayId=other.gateway)
    assert refusal(ec2.replace_route, **named, GatewayId=one.gateway) == "InvalidParameterValue"


def test_a_vpc_has_one_internet_gateway(ec2: Any, one: Vpc, other: Vpc) -> None:
    attach = ec2.attach_internet_gateway
    assert refusal(attach, InternetGatewayId=one.gateway, VpcId=other.id) == "InvalidParameterValue"
    assert refusal(attach, InternetGatewayId=other.gateway, VpcId=one.id) == "Resource.AlreadyAssociated"


def test_a_nat_gateway_without_a_way_to_the_internet_fails(ec2: Any, one: Vpc, other: Vpc) -> None:
    assert refusal(ec2.create_nat_gateway, SubnetId=one.subnet) == "MissingParameter"
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = ec2.create_nat_gateway(SubnetId=one.subnet, AllocationId=address)["NatGateway"]
    (shown,) = ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
    assert (made["State"], shown["State"], shown["FailureCode"]) == ("failed", "failed", "Gateway.NotAttached")
    assert shown["FailureMessage"] == f"Network {one.id} has no Internet gateway attached"
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    route = {"RouteTableId": one.table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert refusal(ec2.create_route, **route, NatGatewayId=made["NatGatewayId"]) == "InvalidNatGatewayID.NotFound"
    works = ec2.create_nat_gateway(SubnetId=other.subnet, AllocationId=address)["NatGateway"]
    assert works["State"] == "available"
    assert refusal(ec2.create_route, **route, NatGatewayId=works["NatGatewayId"]) == "InvalidParameterValue"
    for gateway in (made, works):
        ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    ec2.release_address(AllocationId=address)


def test_a_subnet_has_one_route_table_beside_the_main_one(ec2: Any, one: Vpc) -> None:
    first = ec2.associate_route_table(RouteTableId=one.table, SubnetId=one.subnet)["AssociationId"]
    second = ec2.create_route_table(VpcId=one.id)["RouteTable"]["RouteTableId"]
    again = {"RouteTableId": second, "SubnetId": one.subnet}
    assert refusal(ec2.associate_route_table, **again) == "Resource.AlreadyAssociated"
    assert ec2.associate_route_table(RouteTableId=one.table, SubnetId=one.subnet)["AssociationId"] == first
    assert refusal(ec2.delete_route_table, RouteTableId=one.table) == "DependencyViolation"
    mains = ec2.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [one.id]}, {"Name": "association.main", "Values": ["true"]}]
    )
    (main,) = mains["RouteTables"]
    assert refusal(ec2.delete_route_table, RouteTableId=main["RouteTableId"]) == "DependencyViolation"
    ec2.delete_route_table(RouteTableId=second)
    ec2.disassociate_route_table(AssociationId=first)


def test_acls_of_ones_own_keep_their_vpc_and_the_default_one_stays(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="127.8.0.0/16")["Vpc"]["VpcId"]
    own = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    (default,) = [row["NetworkAclId"] for row in acls if row["IsDefault"]]
    assert refusal(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    assert refusal(ec2.delete_network_acl, NetworkAclId=default) == "InvalidParameterValue"
    rule = {"NetworkAclId": own, "RuleNumber": 7, "Egress": False}
    assert refusal(ec2.delete_network_acl_entry, **rule) == "InvalidNetworkAclEntry.NotFound"
    assert refusal(ec2.delete_network_acl_entry, **{**rule, "RuleNumber": 32767}) == "InvalidParameterValue"
    moved = {"AssociationId": "aclassoc-00000000", "NetworkAclId": own}
    assert refusal(ec2.replace_network_acl_association, **moved) == "InvalidAssociationID.NotFound"
    ec2.delete_network_acl(NetworkAclId=own)
    ec2.delete_vpc(VpcId=vpc)


def test_dhcp_options_are_in_use_by_every_vpc_that_has_them(ec2: Any) -> None:
    config = [{"Key": "domain-name", "Values": ["x.internal"]}]
    options = ec2.create_dhcp_options(DhcpConfigurations=config)["DhcpOptions"]["DhcpOptionsId"]
    others = ec2.create_dhcp_options(DhcpConfigurations=config)["DhcpOptions"]["DhcpOptionsId"]
    vpcs = [ec2.create_vpc(CidrBlock="127.8.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    for vpc in vpcs:
        ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc)
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpcs[0])
    assert refusal(ec2.delete_dhcp_options, DhcpOptionsId=options) == "DependencyViolation"
    ec2.associate_dhcp_options(DhcpOptionsId=others, VpcId=vpcs[1])
    ec2.delete_dhcp_options(DhcpOptionsId=options)
    for vpc in vpcs:
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=others)  # its VPC is gone


def test_names_of_groups_do_not_look_like_ids(ec2: Any, one: Vpc) -> None:
    asked = {"GroupName": "sg-mine", "Description": "x", "VpcId": one.id}
    assert refusal(ec2.create_security_group, **asked) == "InvalidParameterValue"
