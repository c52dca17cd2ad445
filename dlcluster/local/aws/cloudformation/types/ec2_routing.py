"""Route tables, routes, elastic addresses, NAT gateways and VPC endpoints."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, first_row, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged

DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
TARGETS = [
    "GatewayId",
    "NatGatewayId",
    "InstanceId",
    "NetworkInterfaceId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "TransitGatewayId",
    "VpcEndpointId",
]


class RouteTable(Kind):
    name = "AWS::EC2::RouteTable"
    properties = names("VpcId Tags")
    mutable = names("Tags")

    def create(self, x: Step) -> None:
        tags = tagged(x, "route-table")
        answer = x.call("ec2", "create_route_table", **x.only("VpcId"), TagSpecifications=tags)
        x.made(answer["RouteTable"]["RouteTableId"])

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_route_table", RouteTableId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "RouteTableId" else None


class Route(Kind):
    name = "AWS::EC2::Route"
    properties = frozenset({"RouteTableId", *DESTINATIONS, *TARGETS})
    mutable = frozenset(TARGETS)

    def create(self, x: Step) -> None:
        key = x.only("RouteTableId", *DESTINATIONS)
        x.call("ec2", "create_route", **key, **x.only(*TARGETS))
        x.made("|".join(key.values()), **key)

    def update(self, x: Step) -> None:
        x.call("ec2", "replace_route", **x.memo, **x.only(*TARGETS))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_route", **x.memo)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id.partition("|")[2] if name == "CidrBlock" else None


class SubnetRouteTableAssociation(Kind):
    """A subnet has one route table, so another table takes over the association in place."""

    name = "AWS::EC2::SubnetRouteTableAssociation"
    properties = names("SubnetId RouteTableId")
    mutable = moves = names("RouteTableId")

    def create(self, x: Step) -> None:
        answer = x.call("ec2", "associate_route_table", **x.only("SubnetId", "RouteTableId"))
        x.made(answer["AssociationId"])

    def update(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "replace_route_table_association",
            AssociationId=x.physical_id,
            RouteTableId=x.get("RouteTableId"),
        )
        x.made(answer["NewAssociationId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "disassociate_route_table", AssociationId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class Eip(Kind):
    name = "AWS::EC2::EIP"
    properties = names("Domain InstanceId Tags")
    mutable = names("InstanceId Tags")

    def create(self, x: Step) -> None:
        answer = x.call("ec2", "allocate_address", Domain="vpc", TagSpecifications=tagged(x, "elastic-ip"))
        x.made(answer["PublicIp"], AllocationId=answer["AllocationId"])
        if x.get("InstanceId"):
            self._associate(x)

    def update(self, x: Step) -> None:
        if "Tags" in x.changed:
            retag(x, x.memo["AllocationId"])
        if "InstanceId" in x.changed:
            self._disassociate(x)
            if x.get("InstanceId"):
                self._associate(x)

    def _associate(self, x: Step) -> None:
        allocation = x.memo["AllocationId"]
        x.call("ec2", "associate_address", AllocationId=allocation, InstanceId=x.get("InstanceId"))

    def _disassociate(self, x: Step) -> None:
        with missing_is_fine():
            found = x.call("ec2", "describe_addresses", AllocationIds=[x.memo["AllocationId"]])
            for address in found["Addresses"]:
                if address.get("AssociationId"):
                    x.call("ec2", "disassociate_address", AssociationId=address["AssociationId"])

    def delete(self, x: Step) -> None:
        if x.get("InstanceId"):
            self._disassociate(x)
        with missing_is_fine():
            x.call("ec2", "release_address", AllocationId=x.memo["AllocationId"])

    def attribute(self, x: Step, name: str) -> Any:
        return {"PublicIp": x.physical_id, "AllocationId": x.memo["AllocationId"]}.get(name)


class NatGateway(Kind):
    name = "AWS::EC2::NatGateway"
    properties = names("SubnetId AllocationId ConnectivityType PrivateIpAddress Tags")
    mutable = names("Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_nat_gateway",
            **x.only("SubnetId", "AllocationId", "ConnectivityType", "PrivateIpAddress"),
            TagSpecifications=tagged(x, "natgateway"),
        )
        x.made(answer["NatGateway"]["NatGatewayId"])
        x.wait(lambda: self._state(x) == "available", "NAT gateway available")

    def _state(self, x: Step) -> str:
        gateway = first_row(x, "ec2", "describe_nat_gateways", "NatGateways", NatGatewayIds=[x.physical_id])
        if gateway.get("State") == "failed":
            raise Failed(
                f"NatGateway {x.physical_id} is in state failed and hence failed to stabilize. "
                f"Detailed failure message: {gateway.get('FailureMessage', '')}"
            )
        return str(gateway.get("State", "deleted"))

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_nat_gateway", NatGatewayId=x.physical_id)
        x.wait(lambda: self._state(x) == "deleted", "NAT gateway deleted")

    def attribute(self, x: Step, name: str) -> Any:
        if name == "NatGatewayId":
            return x.physical_id
        if name == "EniId":
            found = x.call("ec2", "describe_nat_gateways", NatGatewayIds=[x.physical_id])["NatGateways"]
            return found[0]["NatGatewayAddresses"][0].get("NetworkInterfaceId")
        return None


class VpcEndpoint(Kind):
    name = "AWS::EC2::VPCEndpoint"
    properties = names(
        "VpcId ServiceName VpcEndpointType RouteTableIds SubnetIds SecurityGroupIds PolicyDocument "
        "PrivateDnsEnabled Tags"
    )
    mutable = names("RouteTableIds SubnetIds SecurityGroupIds PolicyDocument PrivateDnsEnabled Tags")

    def create(self, x: Step) -> None:
        given = {name: x.properties[name] for name in self.properties - {"Tags"} if name in x.properties}
        if x.get("VpcEndpointType") == "Interface":
            given.setdefault("PrivateDnsEnabled", False)  # EC2's own default is True
        answer = x.call("ec2", "create_vpc_endpoint", **given, TagSpecifications=tagged(x, "vpc-endpoint"))
        x.made(answer["VpcEndpoint"]["VpcEndpointId"])
        x.wait(lambda: self._state(x) == "available", "VPC endpoint available")

    def _state(self, x: Step) -> str:
        endpoint = self._describe(x)
        return str(endpoint["State"]).lower() if endpoint else "deleted"

    def _describe(self, x: Step) -> dict[str, Any]:
        return first_row(x, "ec2", "describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[x.physical_id])

    def update(self, x: Step) -> None:
        if x.changed & names("RouteTableIds SubnetIds SecurityGroupIds PolicyDocument PrivateDnsEnabled"):
            request = x.only("PolicyDocument")
            if "PrivateDnsEnabled" in x.changed:
                request["PrivateDnsEnabled"] = x.flag("PrivateDnsEnabled")
            if "PolicyDocument" in x.changed and not x.get("PolicyDocument"):
                request = {**request, "ResetPolicy": True}
            for name in ("RouteTableIds", "SubnetIds", "SecurityGroupIds"):
                wanted, had = set(x.get(name) or []), set(x.old.get(name) or [])
                if wanted - had:
                    request[f"Add{name}"] = sorted(wanted - had)
                if had - wanted:
                    request[f"Remove{name}"] = sorted(had - wanted)
            x.call("ec2", "modify_vpc_endpoint", VpcEndpointId=x.physical_id, **request)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            answer = x.call("ec2", "delete_vpc_endpoints", VpcEndpointIds=[x.physical_id])
            for failure in answer.get("Unsuccessful", []):
                if "NotFound" not in failure["Error"]["Code"]:
                    raise Failed(failure["Error"]["Message"])
        x.wait(lambda: self._state(x) == "deleted", "VPC endpoint deleted")

    def attribute(self, x: Step, name: str) -> Any:
        if name == "Id":
            return x.physical_id
        endpoint = self._describe(x)
        if name == "CreationTimestamp":
            return endpoint["CreationTimestamp"].isoformat()
        if name == "DnsEntries":
            return [f"{item['HostedZoneId']}:{item['DnsName']}" for item in endpoint.get("DnsEntries", [])]
        return endpoint.get(name)
