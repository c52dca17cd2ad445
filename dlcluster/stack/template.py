"""ClusterConfig to a CloudFormation template and its parameters. Pure: no clock, no network, no AWS SDK."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

from troposphere import GetAtt, Output, Parameter, Ref, Template

from dlcluster import catalog
from dlcluster.config import ClusterConfig
from dlcluster.config.ranges import DEFAULT_VPC_CIDR
from dlcluster.stack.access import add_role, add_security_groups
from dlcluster.stack.bucket import add_bucket
from dlcluster.stack.interfaces import same_layout
from dlcluster.stack.network import add_network
from dlcluster.stack.nodes import add_nodes


def build_template(config: ClusterConfig) -> dict[str, Any]:
    """The CloudFormation template of a cluster, as plain values in a stable order.

    Baked in: EFA layout, spot, disks, setup lines, bucket policy. The rest is in the parameters.
    """
    vpc_cidr = config.network.vpc_cidr or DEFAULT_VPC_CIDR
    template = Template(Description=_description(config))
    template.set_version("2010-09-09")
    for group, parameter in _parameters(config, vpc_cidr):
        template.add_parameter(parameter)
        template.add_parameter_to_group(parameter, group)
    add_network(template, vpc_cidr)
    add_security_groups(template, _ssh_parameters(config))
    add_bucket(template, config.bucket)
    add_role(template)
    add_nodes(template, config)
    for name, description, value in _OUTPUTS:
        template.add_output(Output(name, Description=description, Value=value))
    plain: dict[str, Any] = json.loads(template.to_json(sort_keys=False))
    return plain


def to_json(template: dict[str, Any]) -> str:
    """The template as text, one space of indent: a stack accepts 51,200 bytes without a detour through S3."""
    return json.dumps(template, indent=1) + "\n"


def parameters(config: ClusterConfig, *, public_key: str, vpc_cidr: str) -> dict[str, str]:
    """Values for every parameter of `build_template(config)`.

    public_key: an OpenSSH public key line. vpc_cidr: the VPC's range, of the prefix length the template is for.
    """
    return {
        "ClusterName": config.name,
        "PublicKey": public_key,
        "ImageId": image_parameter(config.image),
        "HeadType": config.head.type,
        "WorkerType": config.workers.type,
        "WorkerCount": str(config.workers.count),
        "VpcCidr": vpc_cidr,
        "Zone": config.network.zone or "",
        **dict(zip(_ssh_parameters(config), _ssh_ranges(config), strict=True)),
    }


_OUTPUTS = [
    ("BucketName", "Bucket of the cluster: code bundles, job records, results", Ref("Bucket")),
    ("VpcId", "VPC of the cluster", Ref("Vpc")),
    ("HeadInstanceId", "Instance id of the head", Ref("Head")),
    ("HeadAddress", "Public address of the head: ssh ubuntu@ADDRESS", GetAtt("Head", "PublicIp")),
    ("WorkerGroupName", "Auto Scaling group of the workers", Ref("Workers")),
]


def _description(config: ClusterConfig) -> str:
    extras = [
        text
        for wanted, text in (
            (config.use_efa, "EFA"),
            (config.use_placement_group, "a placement group"),
            (config.workers.spot, "spot workers"),
        )
        if wanted
    ]
    with_extras = f" with {', '.join(extras)}" if extras else ""
    return f"dlcluster: a deep-learning cluster of one head and {config.workers.type} workers{with_extras}"


def _ssh_ranges(config: ClusterConfig) -> tuple[str, ...]:
    if config.network.ssh_from or config.cloud == "aws":
        return config.network.ssh_from
    return ("127.0.0.0/8",)


def _ssh_parameters(config: ClusterConfig) -> list[str]:
    return [f"SshCidr{number}" for number in range(1, len(_ssh_ranges(config)) + 1)]


def image_parameter(image: str) -> str:
    """The SSM parameter that an image name stands for; an AMI id stands for itself."""
    known = catalog.image(image)
    return known.ssm_parameter if known else image.removeprefix("ssm:")


def _parameters(config: ClusterConfig, vpc_cidr: str) -> list[tuple[str, Parameter]]:
    by_id = config.image.startswith("ami-")
    prefix = IPv4Network(vpc_cidr).prefixlen
    kind = catalog.instance_type(config.workers.type)
    worker_types = {"AllowedValues": same_layout(kind)} if config.use_efa and kind else {}
    ssh = [
        Parameter(
            name,
            Type="String",
            AllowedPattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$",
            Description="Addresses that may open SSH to the head, such as 203.0.113.7/32",
        )
        for name in _ssh_parameters(config)
    ]
    cluster = [
        Parameter(
            "ClusterName",
            Type="String",
            Default=config.name,
            AllowedPattern="^[a-z][a-z0-9-]{0,30}$",
            Description="Name of the cluster, in tags",
        ),
        Parameter("PublicKey", Type="String", Description="OpenSSH public key (ssh-ed25519 AAAA...)"),
    ]
    nodes = [
        Parameter(
            "ImageId",
            Type="AWS::EC2::Image::Id" if by_id else "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            Default=image_parameter(config.image),
            Description="Machine image of all nodes: an AMI id"
            if by_id
            else "SSM parameter that holds the AMI id of all nodes",
        ),
        Parameter("HeadType", Type="String", Default=config.head.type, Description="Instance type of the head"),
        Parameter(
            "WorkerType",
            Type="String",
            Default=config.workers.type,
            Description="Instance type of the workers",
            **worker_types,
        ),
        Parameter(
            "WorkerCount",
            Type="Number",
            Default=config.workers.count,
            MinValue=1,
            MaxValue=1000,
            Description="Number of workers",
        ),
    ]
    network = [
        Parameter(
            "VpcCidr",
            Type="String",
            Default=vpc_cidr,
            AllowedPattern=rf"^(\d{{1,3}}\.){{3}}\d{{1,3}}/{prefix}$",
            Description=f"Address range of the cluster's VPC, a /{prefix}",
        ),
        Parameter(
            "Zone",
            Type="String",
            Default=config.network.zone or "",
            Description="Availability zone; empty: the first of the region",
        ),
        *ssh,
    ]
    groups = (("Cluster", cluster), ("Nodes", nodes), ("Network", network))
    return [(group, parameter) for group, members in groups for parameter in members]
