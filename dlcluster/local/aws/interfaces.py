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
    subnet, mine, others = interface.subnet, set(), []
    for entry in interface.private_ip_addresses:
        address = entry["PrivateIpAddress"]
        holder = subnet._subnet_ips.get(address)
        if address in mine:
            others.append(entry)
        elif address in booked or holder is interface:
            subnet._subnet_ips[address] = interface
        elif holder is None and _usable(subnet, address):
            subnet.request_ip(address, interface)
        else:
            others.append(entry)
            continue
        mine.add(address)
    for entry in others:
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
    """Network interfaces are made and deleted, NAT gateways made, private addresses assigned and taken away."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._emulator = emulator
        self._backend: Backend = emulator.backend

    def create_network_interface(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return create_interface(self._emulator, params, context.region)

    def delete_network_interface(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        interface_id = params["NetworkInterfaceId"]
        with self._backend.lock:
            interface = self._backend.ec2(context.region).enis.get(interface_id)
            if interface is not None and _of_a_service(interface):
                raise _in_use(interface_id)
            return delete_interface(self._backend, interface_id, context.region)

    def create_nat_gateway(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """One for the internet fails where its VPC has no gateway to it."""
        public = params.get("ConnectivityType", "public") == "public"
        if public and not params.get("AllocationId"):
            message = "The request must include the AllocationId parameter. Add the required parameter and retry."
            raise AwsError("MissingParameter", message)
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            with_room(self._emulator, params["SubnetId"], context.region)
            made = self._backend.call("ec2", "CreateNatGateway", params, context.region)["NatGateway"]
            gateway = ec2.nat_gateways[made["NatGatewayId"]]
            attached = {item.vpc.id for item in ec2.internet_gateways.values() if item.vpc is not None}
            if public and gateway.vpc_id not in attached:
                return self._failed(ec2, gateway, params)
            hand_over(gateway._eni, f"Interface for NAT Gateway {gateway.id}", "nat_gateway")
            book(gateway._eni)
            for address in gateway.address_set:
                address["privateIp"] = gateway._eni.private_ip_address
            wanted = {"NatGatewayIds": [gateway.id]}
            (row,) = self._backend.call("ec2", "DescribeNatGateways", wanted, context.region)["NatGateways"]
            return {"NatGateway": row, "ClientToken": params.get("ClientToken")}

    def _failed(self, ec2: Any, gateway: Any, params: dict[str, Any]) -> dict[str, Any]:
        for address in ec2.addresses:
            if address.eni is gateway._eni:
                address.eni = address.association_id = None
        ec2.enis.pop(gateway._eni.id, None)
        gateway.state, gateway.address_set = "failed", []
        gateway.failure_code = "Gateway.NotAttached"
        gateway.failure_message = f"Network {gateway.vpc_id} has no Internet gateway attached"
        wanted = {"NatGatewayIds": [gateway.id]}
        (row,) = self._backend.call("ec2", "DescribeNatGateways", wanted, ec2.region_name)["NatGateways"]
        return {"NatGateway": row, "ClientToken": params.get("ClientToken")}

    def assign_private_ip_addresses(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            interface = self._interface(params["NetworkInterfaceId"], context.region)
            asked = params.get("PrivateIpAddresses", [])
            count = len(asked) or params.get("SecondaryPrivateIpAddressCount", 0)
            with_room(self._emulator, interface.subnet.id, context.region, count)
            check_addresses(interface.subnet, asked)
            before = len(interface.private_ip_addresses)
            self._backend.call("ec2", "AssignPrivateIpAddresses", params, context.region)
            book(interface)
            rows = [{"PrivateIpAddress": row["PrivateIpAddress"]} for row in interface.private_ip_addresses[before:]]
            return {"NetworkInterfaceId": interface.id, "AssignedPrivateIpAddresses": rows}

    def unassign_private_ip_addresses(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            interface = self._interface(params["NetworkInterfaceId"], context.region)
            held = {row["PrivateIpAddress"]: row["Primary"] for row in interface.private_ip_addresses}
            for address in params.get("PrivateIpAddresses", []):
                if held.get(address, True):
                    message = f"Some of the specified addresses are not assigned to interface {interface.id}"
                    raise AwsError("InvalidParameterValue", message)
            self._backend.call("ec2", "UnassignPrivateIpAddresses", params, context.region)
            for address in params.get("PrivateIpAddresses", []):
                interface.subnet.del_subnet_ip(address)
            return {}

    def _interface(self, interface_id: str, region: str) -> Any:
        """moto's interface; raises AwsError."""
        self._backend.call("ec2", "DescribeNetworkInterfaces", {"NetworkInterfaceIds": [interface_id]}, region)
        return self._backend.ec2(region).enis[interface_id]


def create_interface(emulator: Any, params: dict[str, Any], region: str) -> dict[str, Any]:
    """CreateNetworkInterface; raises AwsError."""
    backend: Backend = emulator.backend
    with backend.lock:
        subnet = with_room(emulator, params["SubnetId"], region)
        check_addresses(subnet, asked_addresses(params))
        made = backend.call("ec2", "CreateNetworkInterface", params, region)["NetworkInterface"]
        book(backend.ec2(region).enis[made["NetworkInterfaceId"]])
        wanted = {"NetworkInterfaceIds": [made["NetworkInterfaceId"]]}
        (row,) = backend.call("ec2", "DescribeNetworkInterfaces", wanted, region)["NetworkInterfaces"]
        return {"NetworkInterface": row}


def with_room(emulator: Any, subnet_id: str, region: str, count: int = 1) -> Any:
    """moto's subnet, which has `count` free addresses, those of terminated instances included; raises AwsError."""
    emulator.backend.call("ec2", "DescribeSubnets", {"SubnetIds": [subnet_id]}, region)
    emulator.compute.make_room(region, subnet_id, count)
    subnet = emulator.backend.ec2(region).get_subnet(subnet_id)
    if subnet.available_ip_address_count < count:
        message = "The specified subnet does not have enough free addresses to satisfy the request."
        raise AwsError("InsufficientFreeAddressesInSubnet", message)
    return subnet


def hand_over(interface: Any, description: str, kind: str) -> None:
    """An interface belongs to a service from now on: it is in use, and nobody else deletes it."""
    interface.description, interface.interface_type = description, kind
    interface.requester_managed, interface.status = True, "in-use"


def _of_a_service(interface: Any) -> bool:
    """Whether a service holds it: one that said so, or EFS, which books the address for its mount target."""
    holder = interface.subnet._subnet_ips.get(interface.private_ip_address)
    return bool(interface.requester_managed) or hasattr(holder, "mount_target_id")


def delete_interface(backend: Backend, interface_id: str, region: str) -> dict[str, Any]:
    """DeleteNetworkInterface, by the service that it belongs to; raises AwsError."""
    with backend.lock:
        interface = backend.ec2(region).enis.get(interface_id)
        if interface is not None and interface.instance is not None:
            raise _in_use(interface_id)
        result = backend.call("ec2", "DeleteNetworkInterface", {"NetworkInterfaceId": interface_id}, region)
        release(interface)
        backend.ec2(region).tags.pop(interface_id, None)
        return result


def _in_use(interface_id: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"Network interface '{interface_id}' is currently in use.")
