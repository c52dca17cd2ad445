"""The cluster's own VPC: a public subnet for the head and the NAT gateway, a private one for the workers."""

from __future__ import annotations

from ipaddress import IPv4Network

from troposphere import (
    Cidr,
    Equals,
    GetAtt,
    GetAZs,
    If,
    Ref,
    Select,
    Sub,
    Tags,
    Template,
    ec2,
)

from dlcluster.config.ranges import private_bits, public_bits
from dlcluster.stack.names import named


def add_network(template: Template, vpc_cidr: str) -> None:
    """VPC, subnets in one zone, internet and NAT gateways, routes, and the S3 endpoint (no NAT cost for S3)."""
    template.add_condition("ZoneGiven", {"Fn::Not": [Equals(Ref("Zone"), "")]})
    vpc = template.add_resource(
        ec2.VPC(
            "Vpc",
            CidrBlock=Ref("VpcCidr"),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
            Tags=Tags(named("vpc")),
        )
    )
    gateway = template.add_resource(ec2.InternetGateway("InternetGateway", Tags=Tags(named("gateway"))))
    template.add_resource(ec2.VPCGatewayAttachment("GatewayAttachment", VpcId=Ref(vpc), InternetGatewayId=Ref(gateway)))
    network = IPv4Network(vpc_cidr)
    _add_subnet(template, "Public", Select(0, Cidr(Ref("VpcCidr"), 1, public_bits(network))), public=True)
    _add_subnet(template, "Private", Select(1, Cidr(Ref("VpcCidr"), 2, private_bits(network))), public=False)
    template.add_resource(ec2.EIP("NatAddress", Domain="vpc", DependsOn="GatewayAttachment"))
    template.add_resource(
        ec2.NatGateway(
            "NatGateway",
            AllocationId=GetAtt("NatAddress", "AllocationId"),
            SubnetId=Ref("PublicSubnet"),
            Tags=Tags(named("nat")),
        )
    )
    _add_default_route(template, "Public", GatewayId=Ref(gateway), DependsOn="GatewayAttachment")
    _add_default_route(template, "Private", NatGatewayId=Ref("NatGateway"))
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcId=Ref(vpc),
            VpcEndpointType="Gateway",
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            RouteTableIds=[Ref("PublicRoutes"), Ref("PrivateRoutes")],
        )
    )


def _add_subnet(template: Template, side: str, cidr: Select, *, public: bool) -> None:
    template.add_resource(
        ec2.Subnet(
            f"{side}Subnet",
            VpcId=Ref("Vpc"),
            CidrBlock=cidr,
            AvailabilityZone=If("ZoneGiven", Ref("Zone"), Select(0, GetAZs(""))),
            MapPublicIpOnLaunch=public,
            Tags=Tags(named(side.lower())),
        )
    )
    template.add_resource(ec2.RouteTable(f"{side}Routes", VpcId=Ref("Vpc"), Tags=Tags(named(side.lower()))))
    template.add_resource(
        ec2.SubnetRouteTableAssociation(
            f"{side}SubnetRoutes", SubnetId=Ref(f"{side}Subnet"), RouteTableId=Ref(f"{side}Routes")
        )
    )


def _add_default_route(template: Template, side: str, **target: object) -> None:
    template.add_resource(
        ec2.Route(
            f"{side}Route",
            RouteTableId=Ref(f"{side}Routes"),
            DestinationCidrBlock="0.0.0.0/0",
            **target,
        )
    )
