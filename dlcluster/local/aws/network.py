"""What EC2 refuses between VPCs, gateways, routes and groups, and moto lets pass."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService


class Networks(QueryService):
    """Checks before moto attaches a gateway, makes a route, associates a route table, makes a security group."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def attach_internet_gateway(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        gateway_id, vpc_id = params["InternetGatewayId"], params["VpcId"]
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            for other in ec2.internet_gateways.values():
                if other.vpc is not None and other.vpc.id == vpc_id and other.id != gateway_id:
                    message = f"Network {vpc_id} already has an internet gateway attached"
                    raise AwsError("InvalidParameterValue", message)
            return self._ec2("AttachInternetGateway", params, context)

    def create_route(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._check_target(params, context)
            return self._ec2("CreateRoute", params, context)

    def replace_route(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._check_target(params, context)
            return self._ec2("ReplaceRoute", params, context)

    def _check_target(self, params: dict[str, Any], context: Context) -> None:
        """Gateways of a route are there, and of the table's VPC."""
        table_id = params["RouteTableId"]
        (table,) = self._ec2("DescribeRouteTables", {"RouteTableIds": [table_id]}, context)["RouteTables"]
        gateway_id, nat_id = params.get("GatewayId", ""), params.get("NatGatewayId", "")
        ec2 = self._backend.ec2(context.region)
        if gateway_id.startswith("igw-"):
            gateway = ec2.internet_gateways.get(gateway_id)
            if gateway is None:
                message = f"The gateway ID '{gateway_id}' does not exist"
                raise AwsError("InvalidGatewayID.NotFound", message)
            if gateway.vpc is None or gateway.vpc.id != table["VpcId"]:
                message = f"route table {table_id} and network gateway {gateway_id} belong to different networks"
                raise AwsError("InvalidParameterValue", message)
        if nat_id:
            nat = ec2.nat_gateways.get(nat_id)
            if nat is None or nat.state in ("deleted", "failed"):
                raise AwsError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat_id}' does not exist")
            if nat.vpc_id != table["VpcId"]:
                message = f"route table {table_id} and NAT gateway {nat_id} belong to different networks"
                raise AwsError("InvalidParameterValue", message)

    def associate_route_table(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        table_id, subnet_id = params["RouteTableId"], params.get("SubnetId")
        with self._backend.lock:
            mine = [{"Name": "association.subnet-id", "Values": [subnet_id or ""]}]
            for table in self._ec2("DescribeRouteTables", {"Filters": mine}, context)["RouteTables"]:
                if subnet_id and table["RouteTableId"] != table_id:
                    message = (
                        f"the specified association for route table {table_id} conflicts with an existing association"
                    )
                    raise AwsError("Resource.AlreadyAssociated", message)
            return self._ec2("AssociateRouteTable", params, context)

    def create_security_group(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name = params.get("GroupName", "")
        if name.startswith("sg-"):
            message = f"invalid value for parameter groupName: {name}. Group names may not be in the format sg-*"
            raise AwsError("InvalidParameterValue", message)
        return self._ec2("CreateSecurityGroup", params, context)

    def _ec2(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._backend.call("ec2", action, params, context.region)
