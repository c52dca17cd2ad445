"""The resource types that this service can create."""

from __future__ import annotations

from dlcluster.local.aws.cloudformation.types.autoscaling import AutoScalingGroup
from dlcluster.local.aws.cloudformation.types.base import Kind
from dlcluster.local.aws.cloudformation.types.ec2_network import (
    InternetGateway,
    Subnet,
    Vpc,
    VpcGatewayAttachment,
)
from dlcluster.local.aws.cloudformation.types.ec2_routing import (
    Eip,
    NatGateway,
    Route,
    RouteTable,
    SubnetRouteTableAssociation,
    VpcEndpoint,
)

KINDS: dict[str, Kind] = {
    kind.name: kind()
    for kind in (
        AutoScalingGroup,
        Eip,
        InternetGateway,
        NatGateway,
        Route,
        RouteTable,
        Subnet,
        SubnetRouteTableAssociation,
        Vpc,
        VpcEndpoint,
        VpcGatewayAttachment,
    )
}
