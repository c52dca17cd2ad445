"""Network interfaces, and what is attached to instances: volumes, addresses, interfaces."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, first_row, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged


class VolumeAttachment(Kind):
    name = "AWS::EC2::VolumeAttachment"
    properties = names("Device InstanceId VolumeId")

    def create(self, x: Step) -> None:
        x.call("ec2", "attach_volume", **x.only("Device", "InstanceId", "VolumeId"))
        x.made(f"{x.get('VolumeId')}|{x.get('InstanceId')}")
        x.wait(lambda: self._state(x) == "in-use", "volume attached")

    def _state(self, x: Step) -> str:
        volume = first_row(x, "ec2", "describe_volumes", "Volumes", VolumeIds=[x.get("VolumeId")])
        return str(volume.get("State", "deleted"))

    def delete(self, x: Step) -> None:
        volume, _, instance = x.physical_id.partition("|")
        try:
            with missing_is_fine():
                x.call("ec2", "detach_volume", VolumeId=volume, InstanceId=instance)
        except ClientError as error:  # the instance is gone, and took the attachment along
            if error.response["Error"]["Code"] not in ("IncorrectState", "InvalidAttachment.NotFound"):
                raise
        x.wait(lambda: self._state(x) != "in-use", "volume detached")


class EipAssociation(Kind):
    name = "AWS::EC2::EIPAssociation"
    properties = names("AllocationId EIP InstanceId NetworkInterfaceId PrivateIpAddress")

    def create(self, x: Step) -> None:
        request = x.only("AllocationId", "InstanceId", "NetworkInterfaceId", "PrivateIpAddress")
        answer = x.call("ec2", "associate_address", PublicIp=x.get("EIP"), **request)
        x.made(answer["AssociationId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "disassociate_address", AssociationId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class NetworkInterface(Kind):
    name = "AWS::EC2::NetworkInterface"
    properties = names(
        "SubnetId Description GroupSet PrivateIpAddress PrivateIpAddresses SecondaryPrivateIpAddressCount "
        "InterfaceType SourceDestCheck Tags"
    )
    mutable = names("Description GroupSet SourceDestCheck Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_network_interface",
            Groups=x.get("GroupSet"),
            **x.only(
                "SubnetId",
                "Description",
                "PrivateIpAddress",
                "PrivateIpAddresses",
                "SecondaryPrivateIpAddressCount",
                "InterfaceType",
            ),
            TagSpecifications=tagged(x, "network-interface"),
        )
        interface = answer["NetworkInterface"]
        x.made(interface["NetworkInterfaceId"], PrimaryPrivateIpAddress=interface["PrivateIpAddress"])
        x.memo["VpcId"] = interface["VpcId"]
        if "SourceDestCheck" in x.properties:
            self._modify(x, SourceDestCheck={"Value": x.get("SourceDestCheck")})

    def _modify(self, x: Step, **change: Any) -> None:
        x.call("ec2", "modify_network_interface_attribute", NetworkInterfaceId=x.physical_id, **change)

    def update(self, x: Step) -> None:
        if "Description" in x.changed:
            self._modify(x, Description={"Value": x.get("Description", "")})
        if "GroupSet" in x.changed:
            self._modify(x, Groups=x.get("GroupSet"))
        if "SourceDestCheck" in x.changed:
            self._modify(x, SourceDestCheck={"Value": x.get("SourceDestCheck", True)})
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_network_interface", NetworkInterfaceId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "SecondaryPrivateIpAddresses":
            found = x.call("ec2", "describe_network_interfaces", NetworkInterfaceIds=[x.physical_id])
            addresses = found["NetworkInterfaces"][0]["PrivateIpAddresses"]
            return [item["PrivateIpAddress"] for item in addresses if not item["Primary"]]
        return x.physical_id if name == "Id" else x.memo.get(name)


class NetworkInterfaceAttachment(Kind):
    name = "AWS::EC2::NetworkInterfaceAttachment"
    properties = names("DeviceIndex InstanceId NetworkInterfaceId")

    def create(self, x: Step) -> None:
        request = x.only("DeviceIndex", "InstanceId", "NetworkInterfaceId")
        x.made(x.call("ec2", "attach_network_interface", **request)["AttachmentId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "detach_network_interface", AttachmentId=x.physical_id, Force=True)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "AttachmentId" else None
