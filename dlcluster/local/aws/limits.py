"""What an instance type can hold: interfaces per type and network card, EFA.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html and the codes of
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.wire import AwsError


@functools.cache
def vcpus(backend: Backend, instance_type: str) -> int:
    """The vCPUs of a type."""
    kinds = backend.call("ec2", "DescribeInstanceTypes", {"InstanceTypes": [instance_type]}, "us-east-1")
    return int(kinds["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"])


def check_interfaces(kind: dict[str, Any], interfaces: list[dict[str, Any]]) -> None:
    """Raise AwsError for interfaces that the type does not take. kind: as DescribeInstanceTypes tells it."""
    name, network = kind["InstanceType"], kind["NetworkInfo"]
    places = [(item.get("NetworkCardIndex", 0), item.get("DeviceIndex", 0)) for item in interfaces]
    if len(set(places)) < len(places):
        raise AwsError("InvalidParameterValue", "Each network interface requires a unique device index.")
    if (0, 0) not in places:
        message = "When specifying network interfaces, you must include a device at index 0 on network card 0."
        raise AwsError("UnsupportedOperation", message)
    if len(interfaces) > 1 and any(item.get("AssociatePublicIpAddress") for item in interfaces):
        raise AwsError(
            "InvalidParameterCombination",
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network "
            "interfaces.",
        )
    _check_cards(name, network, [card for card, _ in places])
    _check_efa(name, network, interfaces)


def _check_cards(name: str, network: dict[str, Any], used: list[int]) -> None:
    if len(used) > network["MaximumNetworkInterfaces"]:
        raise AwsError("AttachmentLimitExceeded", f"Interface count {len(used)} exceeds the limit for {name}")
    limits = {card["NetworkCardIndex"]: card["MaximumNetworkInterfaces"] for card in network["NetworkCards"]}
    for card, count in Counter(used).items():
        if card not in limits:
            message = f"Network card index {card} is invalid: {name} has {len(limits)} network card(s)."
            raise AwsError("InvalidParameterValue", message)
        if count > limits[card]:
            message = f"Interface count {count} exceeds the limit of network card {card} for {name}"
            raise AwsError("AttachmentLimitExceeded", message)


def _check_efa(name: str, network: dict[str, Any], interfaces: list[dict[str, Any]]) -> None:
    efa = [item for item in interfaces if item.get("InterfaceType") in ("efa", "efa-only")]
    limit = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0) if network.get("EfaSupported") else 0
    if len(efa) > limit:
        message = f"EFA interface count {len(efa)} exceeds allowed limit for {name}."
        raise AwsError("AttachmentLimitExceeded", message)
    kinds = {card["NetworkCardIndex"]: card.get("InterfaceTypes", []) for card in network["NetworkCards"]}
    for item in efa:
        card, place = item.get("NetworkCardIndex", 0), item["InterfaceType"]
        primary = (card, item.get("DeviceIndex", 0)) == (0, 0)
        if place not in kinds[card] or (primary and place == "efa-only"):
            message = f"Interface type {place} is not supported at network card {card} of {name}"
            raise AwsError("InvalidParameterCombination", message + (" as the primary interface." if primary else "."))
