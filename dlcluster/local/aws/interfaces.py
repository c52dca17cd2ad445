"""Private addresses of network interfaces: each has one of its subnet to itself.

moto books the address of an instance's first interface alone. It draws the others at random, so that two interfaces
may get the same, or one that EC2 keeps for itself.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService


def book(interface: Any, booked: frozenset[str] = frozenset()) -> None:
    """Keep the addresses of a new interface from others; one that is taken is replaced by a free one.

    `booked` are those that moto has booked for it.
    """
    subnet = interface.subnet
    for entry in interface.private_ip_addresses:
        address = entry["PrivateIpAddress"]
        holder = subnet._subnet_ips.get(address)
        if holder is interface:
            continue
        if address in booked:
            subnet._subnet_ips[address] = interface
        elif holder is None and _usable(subnet, address):
            subnet.request_ip(address, interface)
        else:
            entry["PrivateIpAddress"] = subnet.get_available_subnet_ip(interface)
            if entry["Primary"]:
                interface.private_ip_address = entry["PrivateIpAddress"]


def release(interface: Any) -> None:
    """Give the addresses of an interface that is gone back to its subnet."""
    for entry in interface.private_ip_addresses:
        interface.subnet.del_subnet_ip(entry["PrivateIpAddress"])


def check_addresses(subnet: Any, addresses: list[str]) -> None:
    """Raise AwsError unless these private addresses are free in a subnet."""
    for address in addresses:
        if not _usable(subnet, address):
            message = f"Address {address} does not fall within the subnet's address range"
            raise AwsError("InvalidParameterValue", message)
        if address in subnet._subnet_ips:
            raise AwsError("InvalidIPAddress.InUse", f"Address {address} is in use.")


def asked_addresses(params: dict[str, Any]) -> list[str]:
    """The private addresses that a request names for an interface."""
    rows = [params.get("PrivateIpAddress"), *(row["PrivateIpAddress"] for row in params.get("PrivateIpAddresses", []))]
    return list(dict.fromkeys(row for row in rows if row))


def _usable(subnet: Any, address: str) -> bool:
    """Within the subnet, and neither of its first four addresses nor the last: those are EC2's."""
    try:
        place = int(ipaddress.ip_address(address)) - int(subnet.cidr.network_address)
    except ValueError:
        return False
    return 4 <= place < subnet.cidr.num_addresses - 1


class Interfaces(QueryService):
    """CreateNetworkInterface, DeleteNetworkInterface and CreateNatGateway."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._emulator = emulator
        self._backend: Backend = emulator.backend

    def create_network_interface(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return create_interface(self._emulator, params, context.region)

    def delete_network_interface(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return delete_interface(self._backend, params["NetworkInterfaceId"], context.region)

    def create_nat_gateway(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            _with_room(self._emulator, params["SubnetId"], context.region)
            answer = self._backend.call("ec2", "CreateNatGateway", params, context.region)
            gateway = self._backend.ec2(context.region).nat_gateways[answer["NatGateway"]["NatGatewayId"]]
            book(gateway._eni)
            return answer


def create_interface(emulator: Any, params: dict[str, Any], region: str) -> dict[str, Any]:
    """CreateNetworkInterface; raises AwsError."""
    backend: Backend = emulator.backend
    with backend.lock:
        subnet = _with_room(emulator, params["SubnetId"], region)
        if subnet.available_ip_address_count < 1:
            message = "The specified subnet does not have enough free addresses to satisfy the request."
            raise AwsError("InsufficientFreeAddressesInSubnet", message)
        check_addresses(subnet, asked_addresses(params))
        made = backend.call("ec2", "CreateNetworkInterface", params, region)["NetworkInterface"]
        book(backend.ec2(region).enis[made["NetworkInterfaceId"]])
        wanted = {"NetworkInterfaceIds": [made["NetworkInterfaceId"]]}
        (row,) = backend.call("ec2", "DescribeNetworkInterfaces", wanted, region)["NetworkInterfaces"]
        return {"NetworkInterface": row}


def _with_room(emulator: Any, subnet_id: str, region: str) -> Any:
    """moto's subnet, with a free address if terminated instances held the last; raises AwsError if there is none."""
    emulator.backend.call("ec2", "DescribeSubnets", {"SubnetIds": [subnet_id]}, region)
    emulator.compute.make_room(region, subnet_id, 1)
    return emulator.backend.ec2(region).get_subnet(subnet_id)


def delete_interface(backend: Backend, interface_id: str, region: str) -> dict[str, Any]:
    """DeleteNetworkInterface; raises AwsError."""
    with backend.lock:
        interface = backend.ec2(region).enis.get(interface_id)
        if interface is not None and interface.instance is not None:
            message = f"Network interface '{interface_id}' is currently in use."
            raise AwsError("InvalidParameterValue", message)
        result = backend.call("ec2", "DeleteNetworkInterface", {"NetworkInterfaceId": interface_id}, region)
        release(interface)
        backend.ec2(region).tags.pop(interface_id, None)
        return result
