"""Elastic IP addresses on instances and interfaces: associated as on AWS, where moto forgets half of it."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.query import AwsError, Context, QueryService


class Addresses(QueryService):
    """AssociateAddress, DisassociateAddress and ReleaseAddress."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend
        self._compute: Compute = emulator.compute

    def associate_address(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The address leaves what it was associated with, and the other way round; both stay allocated."""
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            interface = self._interface(ec2, params)
            if interface is not None:
                _check_gateway(ec2, interface.subnet.vpc_id)
            before = {id(item): item.eni for item in ec2.addresses}
            asked = {"AllowReassociation": True, **params}
            result = self._backend.call("ec2", "AssociateAddress", asked, context.region)
            (taken,) = [item for item in ec2.addresses if item.association_id == result["AssociationId"]]
            for item in ec2.addresses:
                if item is not taken and item.eni is taken.eni:
                    _free(item)
            left = before[id(taken)]
            if left is not None and left is not taken.eni:
                left.public_ip = None
                self._compute.readdress(context.region, left)
            return result

    def _interface(self, ec2: Any, params: dict[str, Any]) -> Any:
        """The interface that is asked for; None for one that does not exist, which moto refuses."""
        instance_id = params.get("InstanceId")
        if not instance_id:
            return ec2.enis.get(params.get("NetworkInterfaceId"))
        state = self._compute.state(instance_id)
        if state not in ("running", "stopped"):
            message = f"The {state} instance '{instance_id}' is not in a valid state for this operation."
            raise AwsError("InvalidInstanceID", message)
        return ec2.get_instance(instance_id).nics[0]

    def disassociate_address(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            wanted = params.get("AssociationId"), params.get("PublicIp")
            interfaces = [
                item.eni
                for item in ec2.addresses
                if item.eni and wanted in ((item.association_id, None), (None, item.public_ip))
            ]
            result = self._backend.call("ec2", "DisassociateAddress", params, context.region)
            for interface in interfaces:
                self._compute.readdress(context.region, interface)
            return result

    def release_address(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """An address in use stays."""
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            for item in ec2.addresses:
                if item.association_id and params.get("AllocationId") == item.allocation_id:
                    raise AwsError("InvalidIPAddress.InUse", f"Address {item.public_ip} is in use.")
            result = self._backend.call("ec2", "ReleaseAddress", params, context.region)
            ec2.tags.pop(params.get("AllocationId"), None)
            return result


def _check_gateway(ec2: Any, vpc_id: str) -> None:
    if not any(item.vpc is not None and item.vpc.id == vpc_id for item in ec2.internet_gateways.values()):
        raise AwsError("Gateway.NotAttached", f"Network {vpc_id} is not attached to any internet gateway")


def _free(address: Any) -> None:
    address.instance = address.eni = address.association_id = None
