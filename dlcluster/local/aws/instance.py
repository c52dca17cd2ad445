"""An instance as its node sees it: identity, network, disks, metadata options, notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class MetadataOptions:
    """How the instance's metadata service behaves. tokens: `required` (version 2 only) or `optional`."""

    endpoint: str = "enabled"
    tokens: str = "required"
    hop_limit: int = 1
    tags: str = "disabled"


@dataclass(frozen=True)
class Interface:
    """A network interface. `groups`: id and name of its security groups."""

    id: str
    mac: str
    device_number: int
    private_ip: str
    public_ip: str | None
    subnet_id: str
    subnet_cidr: str
    vpc_id: str
    vpc_cidr: str
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Notices:
    """What EC2 has told the instance: the time (UTC) and action of a spot interruption, the time of a rebalance
    recommendation."""

    interruption: datetime | None = None
    action: str = "terminate"
    rebalance: datetime | None = None


@dataclass(frozen=True)
class Instance:
    """What a node needs to know of its instance. `key_material` is an OpenSSH public key line."""

    id: str
    region: str
    state: str
    availability_zone: str
    private_ip: str
    public_ip: str | None
    key_material: str | None
    user_data: bytes
    instance_type: str
    image_id: str
    tags: dict[str, str]
    profile_arn: str | None
    launch_time: datetime
    role: str | None = None
    profile_id: str = ""
    key_name: str = ""
    architecture: str = "x86_64"
    reservation_id: str = ""
    group_name: str = ""
    market: str = "on-demand"  # or `spot`, `capacity-block`
    boots: int = 0  # how often it was rebooted
    options: MetadataOptions = MetadataOptions()
    notices: Notices = Notices()
    interfaces: tuple[Interface, ...] = ()
    block_devices: dict[str, str] = field(default_factory=dict)  # root device first: volume names by device


@dataclass
class Launch:
    """What RunInstances was asked for and moto does not keep."""

    key_material: str | None = None
    user_data: bytes = b""
    group_name: str = ""
    interface_types: list[str] = field(default_factory=list)
    interface_tags: dict[str, str] = field(default_factory=dict)
    profile: str | None = None
    market: str = "on-demand"


def instance_view(
    region: str, instance: Any, launch: Launch, notices: Notices, boots: int, role: str | None
) -> Instance:
    """What is to be told of moto's instance."""
    profile = instance.iam_instance_profile or {}
    options = instance.metadata_options
    return Instance(
        id=instance.id,
        region=region,
        state=instance._state.name,
        availability_zone=instance.placement.zone,
        private_ip=instance.private_ip,
        public_ip=instance.public_ip,
        key_material=launch.key_material,
        user_data=launch.user_data,
        instance_type=instance.instance_type,
        image_id=instance.image_id,
        tags={tag["key"]: tag["value"] for tag in instance.get_tags()},
        profile_arn=profile.get("Arn"),
        launch_time=instance.launch_time.replace(tzinfo=UTC),
        role=role,
        profile_id=profile.get("Id", ""),
        key_name=instance.key_name or "",
        architecture=instance.architecture or "x86_64",
        group_name=launch.group_name,
        market=launch.market,
        boots=boots,
        options=MetadataOptions(
            options.http_endpoint,
            options.http_tokens,
            options.http_put_response_hop_limit,
            options.instance_metadata_tags,
        ),
        notices=notices,
        interfaces=tuple(_interface(number, item) for number, item in instance.nics.items()),
        block_devices=_block_devices(instance),
    )


def _interface(number: int, interface: Any) -> Interface:
    subnet = interface.subnet
    vpc = subnet.ec2_backend.vpcs.get(subnet.vpc_id)  # an instance is described for longer than its VPC
    return Interface(
        id=interface.id,
        mac=interface.mac_address,
        device_number=number,
        private_ip=interface.private_ip_address,
        public_ip=interface.public_ip,
        subnet_id=subnet.id,
        subnet_cidr=subnet.cidr_block,
        vpc_id=subnet.vpc_id,
        vpc_cidr=vpc.cidr_block if vpc else "",
        groups=tuple((group.id, group.name) for group in interface.group_set),
    )


def _block_devices(instance: Any) -> dict[str, str]:
    root = instance.root_device_name or "/dev/sda1"
    names = [name for name in instance.block_device_mapping if name != root]
    return {"ami": root, "root": root, **{f"ebs{number}": name for number, name in enumerate(names, 1)}}
