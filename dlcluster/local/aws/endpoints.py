"""VPC endpoints: interfaces of their subnets with addresses of their own, routes of their tables, all gone at the end.

moto draws the addresses at random from everywhere, and when an endpoint is modified it changes its lists only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.interfaces import book, hand_over, release, with_room
from dlcluster.local.aws.query import AwsError, Context, QueryService

_GATEWAYS = ("s3", "dynamodb")  # the services that have both types
_UNKNOWN = ("DnsOptions", "SubnetConfigurations", "ResourceConfigurationArn", "ServiceNetworkArn", "ServiceRegion")


class Endpoints(QueryService):
    """CreateVpcEndpoint, ModifyVpcEndpoint and DeleteVpcEndpoints, for gateways and interfaces."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._emulator = emulator
        self._backend: Backend = emulator.backend

    def create_vpc_endpoint(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        region = context.region
        _refuse_unsupported(params)
        # moto cannot delete an endpoint whose type is left to the default.
        asked = {"VpcEndpointType": "Gateway", **params}
        with self._backend.lock:
            ec2 = self._backend.ec2(region)
            self._check_service(asked["ServiceName"], asked["VpcEndpointType"], region)
            vpc = self._ec2("DescribeVpcs", region, VpcIds=[asked["VpcId"]])["Vpcs"][0]["VpcId"]
            if asked["VpcEndpointType"] == "Gateway":
                self._check_gateway(asked, region)
            else:
                asked.setdefault("PrivateDnsEnabled", True)
                asked = self._interface(ec2, asked, vpc, region)
            made = self._ec2("CreateVpcEndpoint", region, **asked)["VpcEndpoint"]["VpcEndpointId"]
            endpoint = ec2.vpc_end_points[made]
            for interface_id in endpoint.network_interface_ids:
                _own(endpoint, ec2.enis[interface_id])
            return {"VpcEndpoint": self._ec2("DescribeVpcEndpoints", region, VpcEndpointIds=[made])["VpcEndpoints"][0]}

    def modify_vpc_endpoint(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        region = context.region
        _refuse_unsupported(params)
        with self._backend.lock:
            ec2 = self._backend.ec2(region)
            endpoint_id = params["VpcEndpointId"]
            self._ec2("DescribeVpcEndpoints", region, VpcEndpointIds=[endpoint_id])
            endpoint = ec2.vpc_end_points[endpoint_id]
            if params.get("PrivateDnsEnabled"):
                self._check_names(endpoint.vpc_id, region)
            added = [item for item in params.get("AddSubnetIds", []) if item not in endpoint.subnet_ids]
            kept = [item for item in endpoint.subnet_ids or [] if item not in params.get("RemoveSubnetIds", [])]
            self._check_subnets([*kept, *added], added, endpoint.vpc_id, region)
            self._check_groups(params.get("AddSecurityGroupIds", []), endpoint.vpc_id, region)
            self._check_tables(params.get("AddRouteTableIds", []), endpoint, region)
            self._ec2("ModifyVpcEndpoint", region, **{key: item for key, item in params.items() if key != "DryRun"})
            if params.get("ResetPolicy"):
                endpoint.policy_document = type(endpoint)(ec2, "", "", "", None, None, []).policy_document
            if "PrivateDnsEnabled" in params:
                endpoint.private_dns_enabled = params["PrivateDnsEnabled"]
            self._follow(ec2, endpoint, params, added)
            return {"Return": True}

    def delete_vpc_endpoints(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        unsuccessful = []
        with self._backend.lock:
            ec2 = self._backend.ec2(context.region)
            for endpoint_id in params["VpcEndpointIds"]:
                endpoint = ec2.vpc_end_points.pop(endpoint_id, None)
                if endpoint is None:
                    message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
                    problem = {"Code": "InvalidVpcEndpointId.NotFound", "Message": message}
                    unsuccessful.append({"ResourceId": endpoint_id, "Error": problem})
                    continue
                for interface_id in endpoint.network_interface_ids:
                    _remove_interface(ec2, interface_id)
                for table_id in endpoint.route_table_ids:
                    _remove_route(ec2, table_id, endpoint)
                ec2.tags.pop(endpoint_id, None)
        return {"Unsuccessful": unsuccessful}

    def _ec2(self, action: str, region: str, **params: Any) -> dict[str, Any]:
        return self._backend.call("ec2", action, params, region)

    # -- checks ----------------------------------------------------------------------------------------

    def _check_service(self, name: str, kind: str, region: str) -> None:
        if name in {f"com.amazonaws.{region}.{service}" for service in _GATEWAYS}:
            return
        found = self._ec2("DescribeVpcEndpointServices", region, ServiceNames=[name])["ServiceDetails"]
        types = sorted({item["ServiceType"] for row in found for item in row["ServiceType"]})
        if kind not in types:
            message = f"Endpoint type ({kind}) does not match available service types ([{', '.join(types)}])."
            raise AwsError("InvalidParameter", message)

    def _check_gateway(self, asked: dict[str, Any], region: str) -> None:
        for name, what in (("SubnetIds", "Subnet IDs"), ("SecurityGroupIds", "Security group IDs")):
            if asked.get(name):
                message = f"{what} are only supported for Interface type VPC Endpoints."
                raise AwsError("InvalidParameter", message)
        asked.pop("PrivateDnsEnabled", None)
        tables = asked.get("RouteTableIds", [])
        for table_id in tables:
            self._check_table(table_id, asked["VpcId"], asked["ServiceName"], region)

    def _check_tables(self, tables: Iterable[str], endpoint: Any, region: str) -> None:
        for table_id in tables:
            if endpoint.vpc_endpoint_type != "Gateway":
                raise AwsError("InvalidParameter", "Route table IDs are only supported for Gateway type VPC Endpoints.")
            if table_id not in endpoint.route_table_ids:
                self._check_table(table_id, endpoint.vpc_id, endpoint.service_name, region)

    def _check_table(self, table_id: str, vpc_id: str, service: str, region: str) -> None:
        """A route table of the VPC that has no other endpoint of the service."""
        (table,) = self._ec2("DescribeRouteTables", region, RouteTableIds=[table_id])["RouteTables"]
        if table["VpcId"] != vpc_id:
            message = f"Route table {table_id} belongs to {table['VpcId']}, not to {vpc_id}."
            raise AwsError("InvalidParameter", message)
        for endpoint in self._backend.ec2(region).vpc_end_points.values():
            if endpoint.service_name == service and table_id in (endpoint.route_table_ids or ()):
                prefixes = endpoint.destination_prefix_list_id
                message = f"route table {table_id} already has a route with destination-prefix-list-id {prefixes}"
                raise AwsError("RouteAlreadyExists", message)

    def _interface(self, ec2: Any, asked: dict[str, Any], vpc_id: str, region: str) -> dict[str, Any]:
        """The request for an endpoint of interfaces, defaults filled in."""
        if asked.get("RouteTableIds"):
            raise AwsError("InvalidParameter", "Route table IDs are only supported for Gateway type VPC Endpoints.")
        if asked["PrivateDnsEnabled"]:
            self._check_names(vpc_id, region)
        subnets = list(dict.fromkeys(asked.get("SubnetIds", [])))
        self._check_subnets(subnets, subnets, vpc_id, region)
        groups = asked.get("SecurityGroupIds") or [ec2.get_default_security_group(vpc_id).id]
        self._check_groups(groups, vpc_id, region)
        return {**asked, "SubnetIds": subnets, "SecurityGroupIds": groups}

    def _check_names(self, vpc_id: str, region: str) -> None:
        for attribute in ("enableDnsSupport", "enableDnsHostnames"):
            found = self._ec2("DescribeVpcAttribute", region, VpcId=vpc_id, Attribute=attribute)
            if not found[attribute[0].upper() + attribute[1:]]["Value"]:
                raise AwsError(
                    "InvalidParameter",
                    "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to "
                    f"true for {vpc_id}",
                )

    def _check_subnets(self, subnets: list[str], added: list[str], vpc_id: str, region: str) -> None:
        """One subnet of the VPC in each zone, and an address for each that is added."""
        rows = self._ec2("DescribeSubnets", region, SubnetIds=subnets)["Subnets"] if subnets else []
        zones: set[str] = set()
        for row in sorted(rows, key=lambda row: subnets.index(row["SubnetId"])):
            subnet_id = row["SubnetId"]
            if row["VpcId"] != vpc_id:
                message = f"The subnet ID '{subnet_id}' does not belong to {vpc_id}"
                raise AwsError("InvalidParameter", message)
            if row["AvailabilityZone"] in zones:
                raise AwsError(
                    "DuplicateSubnetsInSameZone",
                    f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets "
                    "should be in different availability zones supported by the VPC endpoint service.",
                )
            zones.add(row["AvailabilityZone"])
        for subnet_id in added:
            with_room(self._emulator, subnet_id, region)

    def _check_groups(self, groups: list[str], vpc_id: str, region: str) -> None:
        rows = self._ec2("DescribeSecurityGroups", region, GroupIds=groups)["SecurityGroups"] if groups else []
        for row in rows:
            if row["VpcId"] != vpc_id:
                message = f"The security group {row['GroupId']} does not belong to {vpc_id}"
                raise AwsError("InvalidParameter", message)

    # -- what moto leaves to do ------------------------------------------------------------------------

    def _follow(self, ec2: Any, endpoint: Any, params: dict[str, Any], added: list[str]) -> None:
        """Interfaces and routes as a modified endpoint has them."""
        for subnet_id in added:
            interface = ec2.create_network_interface(subnet_id, "")
            endpoint.network_interface_ids.append(interface.id)
        for interface_id in list(endpoint.network_interface_ids):
            if ec2.enis[interface_id].subnet.id in endpoint.subnet_ids:
                _own(endpoint, ec2.enis[interface_id])
            else:
                endpoint.network_interface_ids.remove(interface_id)
                _remove_interface(ec2, interface_id)
        for table_id in params.get("RemoveRouteTableIds", []):
            _remove_route(ec2, table_id, endpoint)
        for table_id in params.get("AddRouteTableIds", []):
            prefixes = endpoint.destination_prefix_list_id
            ec2.create_route(table_id, None, gateway_id=endpoint.id, destination_prefix_list_id=prefixes)


def _refuse_unsupported(params: dict[str, Any]) -> None:
    for name in _UNKNOWN:
        if params.get(name):
            raise AwsError("UnsupportedOperation", f"{name} is not supported by this endpoint")
    if params.get("VpcEndpointType", "Gateway") not in ("Gateway", "Interface"):
        message = f"VpcEndpointType {params['VpcEndpointType']} is not supported by this endpoint"
        raise AwsError("UnsupportedOperation", message)
    if params.get("IpAddressType", "ipv4") != "ipv4":
        raise AwsError(
            "UnsupportedOperation", f"IpAddressType {params['IpAddressType']} is not supported by this endpoint"
        )


def _own(endpoint: Any, interface: Any) -> None:
    """An interface is the endpoint's, with its groups and an address of its subnet."""
    book(interface)
    group = endpoint.ec2_backend.get_security_group_from_id
    interface._group_set = [group(item) for item in endpoint.security_group_ids]
    hand_over(interface, f"VPC Endpoint Interface {endpoint.id}", "vpc_endpoint")


def _remove_interface(ec2: Any, interface_id: str) -> None:
    interface = ec2.enis.pop(interface_id, None)
    if interface is not None:
        release(interface)
        ec2.tags.pop(interface_id, None)


def _remove_route(ec2: Any, table_id: str, endpoint: Any) -> None:
    """The endpoint's route out of a table, if there is one (left)."""
    table = ec2.route_tables.get(table_id)
    if table is None:
        return
    for key, route in list(table._routes.items()):
        if route.gateway is endpoint or getattr(route.gateway, "id", None) == endpoint.id:
            del table._routes[key]
