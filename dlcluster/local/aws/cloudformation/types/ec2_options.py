"""What a VPC may have beside its subnets: more addresses, DHCP options, network ACLs."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, first_row, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged

_DHCP = {
    "DomainName": "domain-name",
    "DomainNameServers": "domain-name-servers",
    "NtpServers": "ntp-servers",
    "NetbiosNameServers": "netbios-name-servers",
    "NetbiosNodeType": "netbios-node-type",
}


class VpcCidrBlock(Kind):
    name = "AWS::EC2::VPCCidrBlock"
    properties = names("VpcId CidrBlock AmazonProvidedIpv6CidrBlock")

    def create(self, x: Step) -> None:
        asked = x.only("VpcId", "CidrBlock", "AmazonProvidedIpv6CidrBlock")
        answer = x.call("ec2", "associate_vpc_cidr_block", **asked)
        found = answer.get("CidrBlockAssociation") or answer.get("Ipv6CidrBlockAssociation") or {}
        x.made(found["AssociationId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "disassociate_vpc_cidr_block", AssociationId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class DhcpOptions(Kind):
    name = "AWS::EC2::DHCPOptions"
    properties = frozenset(_DHCP) | names("Tags")
    mutable = names("Tags")

    def create(self, x: Step) -> None:
        rows = []
        for name, key in _DHCP.items():
            if name in x.properties:
                value = x.get(name)
                rows.append({"Key": key, "Values": value if isinstance(value, list) else [value]})
        tags = tagged(x, "dhcp-options")
        answer = x.call("ec2", "create_dhcp_options", DhcpConfigurations=rows, TagSpecifications=tags)
        x.made(answer["DhcpOptions"]["DhcpOptionsId"])

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_dhcp_options", DhcpOptionsId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "DhcpOptionsId" else None


class VpcDhcpOptionsAssociation(Kind):
    """A VPC has one set of options, so other ones take over in place."""

    name = "AWS::EC2::VPCDHCPOptionsAssociation"
    properties = names("VpcId DhcpOptionsId")
    mutable = moves = names("DhcpOptionsId")

    def create(self, x: Step) -> None:
        x.call("ec2", "associate_dhcp_options", **x.only("VpcId", "DhcpOptionsId"))
        x.made(f"{x.get('DhcpOptionsId')}|{x.get('VpcId')}")

    def update(self, x: Step) -> None:
        self.create(x)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "associate_dhcp_options", VpcId=x.physical_id.partition("|")[2], DhcpOptionsId="default")


class NetworkAcl(Kind):
    name = "AWS::EC2::NetworkAcl"
    properties = names("VpcId Tags")
    mutable = names("Tags")

    def create(self, x: Step) -> None:
        answer = x.call("ec2", "create_network_acl", **x.only("VpcId"), TagSpecifications=tagged(x, "network-acl"))
        x.made(answer["NetworkAcl"]["NetworkAclId"])

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_network_acl", NetworkAclId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class NetworkAclEntry(Kind):
    name = "AWS::EC2::NetworkAclEntry"
    properties = names("NetworkAclId RuleNumber Egress Protocol RuleAction CidrBlock Ipv6CidrBlock Icmp PortRange")
    mutable = properties - names("NetworkAclId RuleNumber Egress")

    def create(self, x: Step) -> None:
        x.call("ec2", "create_network_acl_entry", **self._request(x))
        x.made(x.unique_name(), NetworkAclId=x.get("NetworkAclId"), RuleNumber=x.get("RuleNumber"))
        x.memo["Egress"] = x.flag("Egress")

    def _request(self, x: Step) -> dict[str, Any]:
        asked = {name: value for name, value in x.properties.items() if name != "Icmp"}
        return {**asked, "Egress": x.flag("Egress"), "IcmpTypeCode": x.get("Icmp")}

    def update(self, x: Step) -> None:
        x.call("ec2", "replace_network_acl_entry", **self._request(x))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_network_acl_entry", **x.memo)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class SubnetNetworkAclAssociation(Kind):
    """A subnet always has one ACL: its VPC's default one when no other."""

    name = "AWS::EC2::SubnetNetworkAclAssociation"
    properties = names("SubnetId NetworkAclId")
    mutable = moves = names("NetworkAclId")

    def create(self, x: Step) -> None:
        held = self._held(x)
        if not held:
            raise Failed(f"The subnet ID '{x.get('SubnetId')}' does not exist")
        self._replace(x, held["Associations"], x.get("NetworkAclId"))

    def update(self, x: Step) -> None:
        self.create(x)

    def delete(self, x: Step) -> None:
        held = self._held(x)
        if not held or not any(row["NetworkAclAssociationId"] == x.physical_id for row in held["Associations"]):
            return
        vpc = [{"Name": "vpc-id", "Values": [held["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
        default = first_row(x, "ec2", "describe_network_acls", "NetworkAcls", Filters=vpc)
        x.call(
            "ec2",
            "replace_network_acl_association",
            AssociationId=x.physical_id,
            NetworkAclId=default["NetworkAclId"],
        )

    def _held(self, x: Step) -> dict[str, Any]:
        """The ACL that the subnet has now."""
        mine = [{"Name": "association.subnet-id", "Values": [x.get("SubnetId")]}]
        return first_row(x, "ec2", "describe_network_acls", "NetworkAcls", Filters=mine)

    def _replace(self, x: Step, rows: list[dict[str, Any]], acl: str) -> None:
        (row,) = [row for row in rows if row["SubnetId"] == x.get("SubnetId")]
        answer = x.call(
            "ec2",
            "replace_network_acl_association",
            AssociationId=row["NetworkAclAssociationId"],
            NetworkAclId=acl,
        )
        x.made(answer["NewAssociationId"])

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "AssociationId" else None
