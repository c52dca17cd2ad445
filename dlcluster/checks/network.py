"""Rules on addresses: who gets in, and is there room for all nodes?"""

from __future__ import annotations

from ipaddress import IPv4Network

from dlcluster.checks.finding import Said
from dlcluster.config import ClusterConfig
from dlcluster.config.ranges import DEFAULT_VPC_CIDR, RESERVED, subnets

_LOOPBACK = IPv4Network("127.0.0.0/8")
_PRIVATE = [IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


def ssh_from_nowhere(config: ClusterConfig) -> Said:
    if config.cloud == "aws" and not config.network.ssh_from:
        yield (
            "network.ssh_from: nobody could reach the head",
            "give your own address as a /32: `curl https://checkip.amazonaws.com` tells it",
        )


def ssh_from_anywhere(config: ClusterConfig) -> Said:
    if config.cloud == "aws" and "0.0.0.0/0" in config.network.ssh_from:
        yield "network.ssh_from: 0.0.0.0/0 opens SSH to the whole internet", "give your own address as a /32"


def range_not_for_this_cloud(config: ClusterConfig) -> Said:
    if config.network.vpc_cidr is None:
        return
    vpc = IPv4Network(config.network.vpc_cidr)
    if config.cloud == "local" and not vpc.subnet_of(_LOOPBACK):
        yield f"network.vpc_cidr: {vpc} is not in 127.0.0.0/8, where local nodes live", "leave it out"
    if config.cloud == "aws" and vpc.subnet_of(_LOOPBACK):
        yield f"network.vpc_cidr: AWS refuses {vpc}: loopback addresses", f"leave it out for {DEFAULT_VPC_CIDR}"


def range_not_private(config: ClusterConfig) -> Said:
    vpc = IPv4Network(config.network.vpc_cidr or DEFAULT_VPC_CIDR)
    if config.cloud == "aws" and not any(vpc.subnet_of(private) for private in (*_PRIVATE, _LOOPBACK)):
        yield f"network.vpc_cidr: {vpc} is not a private range, and hides a piece of the internet", "take one in 10.*"


def range_too_small(config: ClusterConfig) -> Said:
    vpc = config.network.vpc_cidr or DEFAULT_VPC_CIDR
    room = subnets(vpc)[1].num_addresses - RESERVED
    if room < config.workers.count:
        yield (
            f"network.vpc_cidr: {vpc} has room for {room} workers, not {config.workers.count}",
            "take a larger range, or leave it out",
        )


def zone_elsewhere(config: ClusterConfig) -> Said:
    zone = config.network.zone
    if zone and (not zone.startswith(config.region) or zone == config.region):
        yield f"network.zone: {zone} is not in {config.region}", f"for example {config.region}a"
