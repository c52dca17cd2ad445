"""How a VPC's address range is cut into the cluster's two subnets."""

from __future__ import annotations

from ipaddress import IPv4Network

DEFAULT_VPC_CIDR = "10.0.0.0/16"
RESERVED = 5
"""Addresses that AWS keeps for itself in every subnet."""


def public_bits(vpc: IPv4Network) -> int:
    """Host bits of the public subnet: a /24 is plenty for head and NAT gateway, or a quarter of a small VPC."""
    return min(8, private_bits(vpc) - 1)


def private_bits(vpc: IPv4Network) -> int:
    """Host bits of the private subnet, which is the upper half of the VPC."""
    return 32 - vpc.prefixlen - 1


def subnets(vpc_cidr: str) -> tuple[IPv4Network, IPv4Network]:
    """The public range (the VPC's first addresses) and the private one (its upper half)."""
    vpc = IPv4Network(vpc_cidr)
    public = IPv4Network((vpc.network_address, 32 - public_bits(vpc)))
    return public, list(vpc.subnets(prefixlen_diff=1))[1]
