"""DHCP options and network ACLs: in use by every VPC and subnet that has them, where moto forgets who does."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.placement import tags_for
from dlcluster.local.aws.query import AwsError, Context, QueryService

_LAST = 32767  # the rule that denies what no other rule allows


class VpcOptions(QueryService):
    """DHCP options are made, associated and deleted, entries and associations of ACLs replaced and deleted."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def create_dhcp_options(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """moto leaves the tags out."""
        with self._backend.lock:
            made = self._ec2("CreateDhcpOptions", context, **params)["DhcpOptions"]
            tags = tags_for("dhcp-options", params.get("TagSpecifications", []))
            if tags:
                self._backend.ec2(context.region).create_tags([made["DhcpOptionsId"]], tags)
            (row,) = self._ec2("DescribeDhcpOptions", context, DhcpOptionsIds=[made["DhcpOptionsId"]])["DhcpOptions"]
            return {"DhcpOptions": row}

    def associate_dhcp_options(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            result = self._ec2("AssociateDhcpOptions", context, **params)
            for options in ec2.dhcp_options_sets.values():
                options.vpc = next((vpc for vpc in ec2.vpcs.values() if vpc.dhcp_options is options), None)
            return result

    def delete_dhcp_options(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        options_id = params["DhcpOptionsId"]
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            if any(vpc.dhcp_options and vpc.dhcp_options.id == options_id for vpc in ec2.vpcs.values()):
                message = f"The dhcpOptions '{options_id}' has dependencies and cannot be deleted."
                raise AwsError("DependencyViolation", message)
            if options_id in ec2.dhcp_options_sets:
                ec2.dhcp_options_sets[options_id].vpc = None  # it may be one that is gone
            result = self._ec2("DeleteDhcpOptions", context, **params)
            ec2.tags.pop(options_id, None)
            return result

    def create_network_acl(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Traffic that no rule allows is denied: rules that moto gives to default ACLs alone."""
        with self._backend.lock:
            acl_id = self._ec2("CreateNetworkAcl", context, **params)["NetworkAcl"]["NetworkAclId"]
            for egress in (True, False):
                rule = {"RuleNumber": _LAST, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
                self._ec2("CreateNetworkAclEntry", context, NetworkAclId=acl_id, Egress=egress, **rule)
            (row,) = self._ec2("DescribeNetworkAcls", context, NetworkAclIds=[acl_id])["NetworkAcls"]
            return {"NetworkAcl": row}

    def create_network_acl_entry(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        _check_number(params["RuleNumber"])
        return self._ec2("CreateNetworkAclEntry", context, **params)

    def delete_network_acl_entry(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._check_entry(params, context)
            return self._ec2("DeleteNetworkAclEntry", context, **params)

    def replace_network_acl_entry(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._check_entry(params, context)
            return self._ec2("ReplaceNetworkAclEntry", context, **params)

    def _check_entry(self, params: dict[str, Any], context: Context) -> None:
        acl_id, number, egress = params["NetworkAclId"], params["RuleNumber"], params["Egress"]
        _check_number(number)
        (acl,) = self._ec2("DescribeNetworkAcls", context, NetworkAclIds=[acl_id])["NetworkAcls"]
        if all((row["RuleNumber"], row["Egress"]) != (number, egress) for row in acl["Entries"]):
            way = "egress" if egress else "ingress"
            message = f"The network ACL entry with rule number {number} ({way}) does not exist in {acl_id}"
            raise AwsError("InvalidNetworkAclEntry.NotFound", message)

    def replace_network_acl_association(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        association_id = params["AssociationId"]
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            (new,) = self._ec2("DescribeNetworkAcls", context, NetworkAclIds=[params["NetworkAclId"]])["NetworkAcls"]
            old = next((acl for acl in ec2.network_acls.values() if association_id in acl._associations), None)
            if old is None:
                message = f"The association ID '{association_id}' does not exist"
                raise AwsError("InvalidAssociationID.NotFound", message)
            if old.vpc_id != new["VpcId"]:
                message = f"Network ACL {new['NetworkAclId']} and {association_id} belong to different networks"
                raise AwsError("InvalidParameterValue", message)
            return self._ec2("ReplaceNetworkAclAssociation", context, **params)

    def _ec2(self, action: str, context: Context, **params: Any) -> dict[str, Any]:
        return self._backend.call("ec2", action, params, context.region)


def _check_number(number: int) -> None:
    if not 1 <= number < _LAST:
        message = f"Value ({number}) for parameter ruleNumber is invalid. Must be in the range 1..{_LAST - 1}."
        raise AwsError("InvalidParameterValue", message)
