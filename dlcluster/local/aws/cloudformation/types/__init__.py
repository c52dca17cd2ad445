"""The resource types that this service can create."""

from __future__ import annotations

from dlcluster.local.aws.cloudformation.types.autoscaling import AutoScalingGroup
from dlcluster.local.aws.cloudformation.types.autoscaling_rules import (
    LaunchConfiguration,
    LifecycleHook,
    ScalingPolicy,
    ScheduledAction,
)
from dlcluster.local.aws.cloudformation.types.base import Kind
from dlcluster.local.aws.cloudformation.types.budgets import Budget
from dlcluster.local.aws.cloudformation.types.cdk import CdkMetadata
from dlcluster.local.aws.cloudformation.types.cloudwatch import Alarm, CompositeAlarm, Dashboard
from dlcluster.local.aws.cloudformation.types.ec2_attach import (
    EipAssociation,
    NetworkInterface,
    NetworkInterfaceAttachment,
    VolumeAttachment,
)
from dlcluster.local.aws.cloudformation.types.ec2_capacity import CapacityReservation, FlowLog
from dlcluster.local.aws.cloudformation.types.ec2_compute import LaunchTemplate, PlacementGroup, Volume
from dlcluster.local.aws.cloudformation.types.ec2_instance import Instance
from dlcluster.local.aws.cloudformation.types.ec2_network import InternetGateway, Subnet, Vpc, VpcGatewayAttachment
from dlcluster.local.aws.cloudformation.types.ec2_options import (
    DhcpOptions,
    NetworkAcl,
    NetworkAclEntry,
    SubnetNetworkAclAssociation,
    VpcCidrBlock,
    VpcDhcpOptionsAssociation,
)
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
from dlcluster.local.aws.cloudformation.types.efs import AccessPoint, EfsFileSystem, MountTarget
from dlcluster.local.aws.cloudformation.types.fsx import FsxFileSystem
from dlcluster.local.aws.cloudformation.types.iam import InstanceProfile, Policy, Role
from dlcluster.local.aws.cloudformation.types.iam_users import (
    AccessKey,
    Group,
    ManagedPolicy,
    User,
    UserToGroupAddition,
)
from dlcluster.local.aws.cloudformation.types.kms import Alias, Key
from dlcluster.local.aws.cloudformation.types.logs import LogGroup, LogStream, MetricFilter
from dlcluster.local.aws.cloudformation.types.messaging import Queue, QueuePolicy, Subscription, Topic, TopicPolicy
from dlcluster.local.aws.cloudformation.types.nested import NestedStack
from dlcluster.local.aws.cloudformation.types.s3 import Bucket, BucketPolicy
from dlcluster.local.aws.cloudformation.types.ssm import Parameter
from dlcluster.local.aws.cloudformation.types.waiting import WaitCondition, WaitConditionHandle

_CLASSES: tuple[type[Kind], ...] = (
    AccessKey, AccessPoint, Alarm, Alias, AutoScalingGroup, Bucket, BucketPolicy, Budget, CapacityReservation,
    CdkMetadata, CompositeAlarm, Dashboard, DhcpOptions, EfsFileSystem, Eip, EipAssociation, FlowLog, FsxFileSystem,
    Group,
    Instance, InstanceProfile, InternetGateway, Key, KeyPair, LaunchConfiguration, LaunchTemplate, LifecycleHook,
    LogGroup, LogStream, ManagedPolicy, MetricFilter, MountTarget, NatGateway, NestedStack, NetworkAcl,
    NetworkAclEntry, NetworkInterface, NetworkInterfaceAttachment, Parameter, PlacementGroup, Policy, Queue,
    QueuePolicy, Role, Route, RouteTable, ScalingPolicy, ScheduledAction, SecurityGroup, SecurityGroupEgress,
    SecurityGroupIngress, Subnet, SubnetNetworkAclAssociation, SubnetRouteTableAssociation, Subscription, Topic,
    TopicPolicy, User, UserToGroupAddition, Volume, VolumeAttachment, Vpc, VpcCidrBlock, VpcDhcpOptionsAssociation,
    VpcEndpoint, VpcGatewayAttachment, WaitCondition, WaitConditionHandle,
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind() for kind in _CLASSES}
