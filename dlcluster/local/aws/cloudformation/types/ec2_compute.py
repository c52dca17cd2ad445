"""Launch templates, placement groups and volumes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from dlcluster.local.aws.cloudformation.types.base import (
    Failed,
    Kind,
    Step,
    first_row,
    missing_is_fine,
    names,
    tag_list,
)
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged

MAX_USER_DATA = 16_384


def decoded_user_data(encoded: str) -> bytes:
    """The bytes of a template's UserData. Raises Failed as EC2 refuses it: not Base64, or too long."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Failed("Invalid BASE64 encoding of user data.") from None
    if len(data) > MAX_USER_DATA:
        raise Failed(f"User data is limited to {MAX_USER_DATA} bytes")
    return data


class LaunchTemplate(Kind):
    """An update makes a new version; the default version stays the first, as on AWS."""

    name = "AWS::EC2::LaunchTemplate"
    properties = names("LaunchTemplateName LaunchTemplateData TagSpecifications VersionDescription")
    mutable = properties - names("LaunchTemplateName")
    volatile = names("LatestVersionNumber DefaultVersionNumber")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_launch_template",
            LaunchTemplateName=x.get("LaunchTemplateName") or x.unique_name(128),
            LaunchTemplateData=self._data(x),
            **x.only("TagSpecifications", "VersionDescription"),
        )
        x.made(answer["LaunchTemplate"]["LaunchTemplateId"])

    def _data(self, x: Step) -> dict[str, Any]:
        data: dict[str, Any] = x.get("LaunchTemplateData")
        if "UserData" in data:
            decoded_user_data(str(data["UserData"]))
        return data

    def update(self, x: Step) -> None:
        if x.changed & names("LaunchTemplateData VersionDescription"):
            x.call(
                "ec2",
                "create_launch_template_version",
                LaunchTemplateId=x.physical_id,
                LaunchTemplateData=self._data(x),
                **x.only("VersionDescription"),
            )
        if "TagSpecifications" in x.changed:
            self._retag(x)

    def _retag(self, x: Step) -> None:
        def own(specifications: Any) -> dict[str, str]:
            return {tag["Key"]: str(tag["Value"]) for item in specifications or [] for tag in item["Tags"]}

        old, new = own(x.old.get("TagSpecifications")), own(x.get("TagSpecifications"))
        gone = [{"Key": key} for key in old if key not in new]
        if gone:
            x.call("ec2", "delete_tags", Resources=[x.physical_id], Tags=gone)
        if new:
            x.call("ec2", "create_tags", Resources=[x.physical_id], Tags=tag_list(new))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_launch_template", LaunchTemplateId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "LaunchTemplateId":
            return x.physical_id
        found = x.call("ec2", "describe_launch_templates", LaunchTemplateIds=[x.physical_id])["LaunchTemplates"]
        return str(found[0][name])


class PlacementGroup(Kind):
    name = "AWS::EC2::PlacementGroup"
    properties = names("Strategy PartitionCount SpreadLevel Tags")

    def create(self, x: Step) -> None:
        group = x.unique_name()
        answer = x.call(
            "ec2",
            "create_placement_group",
            GroupName=group,
            **x.only("Strategy", "PartitionCount", "SpreadLevel"),
            TagSpecifications=tagged(x, "placement-group"),
        )
        x.made(group, GroupId=answer["PlacementGroup"]["GroupId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_placement_group", GroupName=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "GroupName" else x.memo.get(name)


class Volume(Kind):
    name = "AWS::EC2::Volume"
    properties = names(
        "AvailabilityZone Size VolumeType Iops Throughput Encrypted KmsKeyId SnapshotId MultiAttachEnabled Tags"
    )
    mutable = names("Size VolumeType Iops Throughput Tags")

    def create(self, x: Step) -> None:
        given = {name: x.properties[name] for name in self.properties - {"Tags"} if name in x.properties}
        x.made(x.call("ec2", "create_volume", **given, TagSpecifications=tagged(x, "volume"))["VolumeId"])
        x.wait(lambda: self._state(x) == "available", "volume available")

    def _state(self, x: Step) -> str:
        volume = first_row(x, "ec2", "describe_volumes", "Volumes", VolumeIds=[x.physical_id])
        return str(volume.get("State", "deleted"))

    def update(self, x: Step) -> None:
        if x.changed - {"Tags"}:
            request = x.only("Size", "VolumeType", "Iops", "Throughput")
            x.call("ec2", "modify_volume", VolumeId=x.physical_id, **request)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_volume", VolumeId=x.physical_id)
        x.wait(lambda: self._state(x) == "deleted", "volume deleted")

    def snapshot(self, x: Step) -> None:
        x.call("ec2", "create_snapshot", VolumeId=x.physical_id, TagSpecifications=tagged(x, "snapshot"))

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "VolumeId" else None
