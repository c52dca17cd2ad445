"""Deletions of EC2 resources: refused in the wrong order as on AWS, and complete where moto leaves debris."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.compute import drop_orphan_tags
from dlcluster.local.aws.interfaces import release
from dlcluster.local.aws.query import AwsError, Context, QueryService

Check = Callable[[Any, str], None]  # moto's EC2 state of the region, resource id


def _nothing(ec2: Any, resource_id: str) -> None:
    """No check, or nothing to clean."""


@dataclass(frozen=True)
class Deletion:
    """`parameter` names the resource; `guard` raises AwsError; `clean` removes what moto leaves."""

    parameter: str
    guard: Check = _nothing
    clean: Check = _nothing
    removes: bool = True


class Deletions(QueryService):
    """Every deletion that needs a guard or a broom; moto does the deletion itself."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend
        for action, deletion in _DELETIONS.items():
            setattr(self, xform_name(action), self._handler_of(action, deletion))

    def _handler_of(self, action: str, deletion: Deletion) -> Callable[..., dict[str, Any]]:
        def delete(params: dict[str, Any], context: Context) -> dict[str, Any]:
            value = params.get(deletion.parameter, [])
            resource_ids = value if isinstance(value, list) else [value]
            with self._backend.lock:
                ec2 = self._backend.ec2(context.region)
                for resource_id in resource_ids:
                    deletion.guard(ec2, resource_id)
                result = self._backend.call("ec2", action, params, context.region)
                for resource_id in resource_ids:
                    deletion.clean(ec2, resource_id)
                    if deletion.removes:
                        ec2.tags.pop(resource_id, None)
            return result

        return delete


def _violation(message: str) -> AwsError:
    return AwsError("DependencyViolation", message)


def _guard_subnet(ec2: Any, subnet_id: str) -> None:
    if any(item.subnet.id == subnet_id for item in ec2.enis.values()):
        raise _violation(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


def _clean_subnet(ec2: Any, subnet_id: str) -> None:
    for network_acl in ec2.network_acls.values():
        _drop(_associations(network_acl), lambda item: item.subnet_id == subnet_id)
    for table in ec2.route_tables.values():
        _drop(_associations(table), lambda item: item == subnet_id)


def _associations(holder: Any) -> dict[str, Any]:
    """What a network ACL or a route table is associated with; the name of it differs between moto's versions."""
    fields = vars(holder)
    return fields["_associations"] if "_associations" in fields else fields["associations"]


def _drop(items: dict[str, Any], condition: Callable[[Any], bool]) -> None:
    for key in [key for key, item in items.items() if condition(item)]:
        del items[key]


def _guard_group(ec2: Any, group_id: str) -> None:
    groups = [group for in_vpc in ec2.groups.values() for group in in_vpc.values()]
    if any(group.id == group_id and group.name == "default" for group in groups):
        message = f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
        raise AwsError("CannotDelete", message)
    used = any(group_id in {group.id for group in item.group_set} for item in ec2.enis.values())
    referenced = any(
        source.get("GroupId") == group_id
        for group in groups
        if group.id != group_id
        for rule in [*group.ingress_rules, *group.egress_rules]
        for source in _sources(rule)
    )
    if used or referenced:
        raise _violation(f"resource {group_id} has a dependent object")


def _sources(rule: Any) -> list[dict[str, Any]]:
    """The groups that a security group's rule names (moto kept a list of them before 5.1.x)."""
    source = getattr(rule, "source_group", None)
    return [source] if source else list(getattr(rule, "source_groups", []))


def _guard_vpc(ec2: Any, vpc_id: str) -> None:
    dependants = [
        any(item.vpc_id == vpc_id for item in ec2.enis.values()),
        any(group.name != "default" for group in ec2.groups.get(vpc_id, {}).values()),
        any(item.vpc is not None and item.vpc.id == vpc_id for item in ec2.internet_gateways.values()),
        any(item.vpc_id == vpc_id for item in ec2.vpc_end_points.values()),
        any(item.vpc_id == vpc_id and item.state not in ("deleted", "failed") for item in ec2.nat_gateways.values()),
        any(item.vpc_id == vpc_id and not item.default for item in ec2.network_acls.values()),
        any(item.vpc_id == vpc_id for item in ec2.egress_only_internet_gateways.values()),
    ]
    if any(dependants):
        raise _violation(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    if vpc_id in ec2.vpcs:
        ec2.vpcs[vpc_id].dhcp_options = None  # moto would delete them along


def _clean_vpc(ec2: Any, vpc_id: str) -> None:
    for network_acl in [item for item in ec2.network_acls.values() if item.vpc_id == vpc_id]:
        del ec2.network_acls[network_acl.id]
    ec2.groups.pop(vpc_id, None)
    for table in [item for item in ec2.route_tables.values() if item.vpc_id == vpc_id]:
        del ec2.route_tables[table.id]


def _guard_detach(ec2: Any, gateway_id: str) -> None:
    gateway = ec2.internet_gateways.get(gateway_id)
    vpc_id = gateway.vpc.id if gateway is not None and gateway.vpc is not None else None
    if vpc_id and any(item.vpc_id == vpc_id and item.public_ip for item in ec2.enis.values()):
        raise _violation(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) "
            "before detaching the gateway."
        )


def _guard_table(ec2: Any, table_id: str) -> None:
    table = ec2.route_tables.get(table_id)
    if table is not None and table.main_association_id:
        raise _violation(f"The routeTable '{table_id}' has dependencies and cannot be deleted.")


def _guard_acl(ec2: Any, acl_id: str) -> None:
    acl = ec2.network_acls.get(acl_id)
    if acl is not None and acl.default:
        raise AwsError("InvalidParameterValue", f"cannot delete default network ACL {acl_id}")


def _clean_nat_gateway(ec2: Any, gateway_id: str) -> None:
    interface = ec2.nat_gateways[gateway_id]._eni
    ec2.enis.pop(interface.id, None)
    release(interface)
    for address in ec2.addresses:
        if address.eni is interface:
            address.eni = None
            address.association_id = None


_DELETIONS = {
    "DeleteSubnet": Deletion("SubnetId", _guard_subnet, _clean_subnet),
    "DeleteSecurityGroup": Deletion("GroupId", _guard_group),
    "DeleteVpc": Deletion("VpcId", _guard_vpc, _clean_vpc),
    "DetachInternetGateway": Deletion("InternetGatewayId", _guard_detach, removes=False),
    "DeleteInternetGateway": Deletion("InternetGatewayId"),
    "DeleteNatGateway": Deletion("NatGatewayId", clean=_clean_nat_gateway),
    "DeleteRouteTable": Deletion("RouteTableId", _guard_table),
    "DeleteNetworkAcl": Deletion("NetworkAclId", _guard_acl),
    "DeleteLaunchTemplate": Deletion("LaunchTemplateId"),
    "DeleteKeyPair": Deletion("KeyName", clean=lambda ec2, _: drop_orphan_tags(ec2)),
    "DeleteVolume": Deletion("VolumeId"),
}
