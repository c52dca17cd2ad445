"""VPC, subnet, internet gateway and its attachment."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged


class Vpc(Kind):
    name = "AWS::EC2::VPC"
    properties = names("CidrBlock EnableDnsHostnames EnableDnsSupport InstanceTenancy Tags")
    mutable = names("EnableDnsHostnames EnableDnsSupport Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_vpc",
            **x.only("CidrBlock", "InstanceTenancy"),
            TagSpecifications=tagged(x, "vpc"),
        )
        x.made(answer["Vpc"]["VpcId"])
        if not x.flag("EnableDnsSupport", True):
            self._dns(x, "EnableDnsSupport", True)
        if x.flag("EnableDnsHostnames"):
            self._dns(x, "EnableDnsHostnames", False)

    def update(self, x: Step) -> None:
        if "EnableDnsSupport" in x.changed:
            self._dns(x, "EnableDnsSupport", True)
        if "EnableDnsHostnames" in x.changed:
            self._dns(x, "EnableDnsHostnames", False)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def _dns(self, x: Step, name: str, default: bool) -> None:
        value = {name: {"Value": x.flag(name, default)}}
        x.call("ec2", "modify_vpc_attribute", VpcId=x.physical_id, **value)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_vpc", VpcId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        mine = [{"Name": "vpc-id", "Values": [x.physical_id]}]
        if name == "VpcId":
            return x.physical_id
        if name == "DefaultSecurityGroup":
            filters = [*mine, {"Name": "group-name", "Values": ["default"]}]
            groups = x.call("ec2", "describe_security_groups", Filters=filters)["SecurityGroups"]
            return groups[0]["GroupId"] if groups else None
        if name == "DefaultNetworkAcl":
            filters = [*mine, {"Name": "default", "Values": ["true"]}]
            acls = x.call("ec2", "describe_network_acls", Filters=filters)["NetworkAcls"]
            return acls[0]["NetworkAclId"] if acls else None
        if name == "CidrBlockAssociations":
            vpc = x.call("ec2", "describe_vpcs", VpcIds=[x.physical_id])["Vpcs"][0]
            return [item["AssociationId"] for item in vpc["CidrBlockAssociationSet"]]
        return super().attribute(x, name)


class Subnet(Kind):
    name = "AWS::EC2::Subnet"
    properties = names("VpcId CidrBlock AvailabilityZone AvailabilityZoneId MapPublicIpOnLaunch Tags")
    mutable = names("MapPublicIpOnLaunch Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_subnet",
            **x.only("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"),
            TagSpecifications=tagged(x, "subnet"),
        )
        subnet = answer["Subnet"]
        x.made(subnet["SubnetId"], AvailabilityZone=subnet["AvailabilityZone"])
        if x.flag("MapPublicIpOnLaunch"):
            self._map_public(x)

    def update(self, x: Step) -> None:
        if "MapPublicIpOnLaunch" in x.changed:
            self._map_public(x)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def _map_public(self, x: Step) -> None:
        value = {"Value": x.flag("MapPublicIpOnLaunch")}
        x.call("ec2", "modify_subnet_attribute", SubnetId=x.physical_id, MapPublicIpOnLaunch=value)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_subnet", SubnetId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "SubnetId":
            return x.physical_id
        if name == "AvailabilityZone":
            return x.memo["AvailabilityZone"]
        return super().attribute(x, name)


MAPPED_SECONDS = 30  # until public addresses that stay mapped fail the deletion of a gateway's attachment


class InternetGateway(Kind):
    name = "AWS::EC2::InternetGateway"
    properties = mutable = names("Tags")

    def create(self, x: Step) -> None:
        answer = x.call("ec2", "create_internet_gateway", TagSpecifications=tagged(x, "internet-gateway"))
        x.made(answer["InternetGateway"]["InternetGatewayId"])

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_internet_gateway", InternetGatewayId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "InternetGatewayId" else None


class VpcGatewayAttachment(Kind):
    name = "AWS::EC2::VPCGatewayAttachment"
    properties = names("VpcId InternetGatewayId")
    mutable = names("InternetGatewayId")

    def create(self, x: Step) -> None:
        pair = x.only("VpcId", "InternetGatewayId")
        x.call("ec2", "attach_internet_gateway", **pair)
        x.made(f"IGW|{pair['VpcId']}", **pair)

    def update(self, x: Step) -> None:
        self.delete(x)
        self.create(x)

    def delete(self, x: Step) -> None:
        """As CloudFormation does, wait for addresses of instances that are on their way out."""
        deadline = time.monotonic() + MAPPED_SECONDS
        with missing_is_fine():
            x.wait(lambda: self._detach(x, last=time.monotonic() > deadline), "the gateway to be detached")

    def _detach(self, x: Step, last: bool) -> bool:
        try:
            x.call("ec2", "detach_internet_gateway", **x.memo)
        except ClientError as error:
            if last or error.response["Error"]["Code"] != "DependencyViolation":
                raise
            return False
        return True

    def attribute(self, x: Step, name: str) -> Any:
        return "IGW" if name == "AttachmentType" else None
