"""The resource types that this service can create."""

from __future__ import annotations

from dlcluster.local.aws.cloudformation.types.autoscaling import AutoScalingGroup
from dlcluster.local.aws.cloudformation.types.base import Kind
from dlcluster.local.aws.cloudformation.types.ec2_compute import LaunchTemplate, PlacementGroup, Volume
from dlcluster.local.aws.cloudformation.types.ec2_instance import Instance
from dlcluster.local.aws.cloudformation.types.ec2_network import InternetGateway, Subnet, Vpc, VpcGatewayAttachment
from dlcluster.local.aws.cloudformation.types.ec2_routing import (
    Eip,
    NatGateway,
    Route,
    RouteTable,
    SubnetRouteTableAssociation,
    VpcEndpoint,
)
from dlcluster.local.aws.cloudformation.types.ec2_security import (
    KeyPair,
    SecurityGroup,
    SecurityGroupEgress,
    SecurityGroupIngress,
)
from dlcluster.local.aws.cloudformation.types.iam import InstanceProfile, Policy, Role
from dlcluster.local.aws.cloudformation.types.logs import LogGroup
from dlcluster.local.aws.cloudformation.types.s3 import Bucket, BucketPolicy
from dlcluster.local.aws.cloudformation.types.ssm import Parameter
from dlcluster.local.aws.cloudformation.types.waiting import WaitCondition, WaitConditionHandle

_CLASSES: tuple[type[Kind], ...] = (
    AutoScalingGroup, Bucket, BucketPolicy, Eip, Instance, InstanceProfile, InternetGateway, KeyPair,
    LaunchTemplate, LogGroup, NatGateway, Parameter, PlacementGroup, Policy, Role, Route, RouteTable,
    SecurityGroup, SecurityGroupEgress, SecurityGroupIngress, Subnet, SubnetRouteTableAssociation, Volume, Vpc,
    VpcEndpoint, VpcGatewayAttachment, WaitCondition, WaitConditionHandle,
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind() for kind in _CLASSES}
