"""Elastic file systems, their mount targets and access points."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import (
    Failed,
    Kind,
    Step,
    first_row,
    missing_is_fine,
    names,
    removed_tags,
    tag_list,
)


def _state(x: Step, operation: str, key: str, **which: str) -> str:
    """The life cycle state of one thing, "deleted" when it is not there."""
    return str(first_row(x, "efs", operation, key, **which).get("LifeCycleState", "deleted"))


def _retag(x: Step) -> None:
    if removed_tags(x):
        x.call("efs", "untag_resource", ResourceId=x.physical_id, TagKeys=removed_tags(x))
    if x.tags:
        x.call("efs", "tag_resource", ResourceId=x.physical_id, Tags=tag_list(x.tags))


class EfsFileSystem(Kind):
    name = "AWS::EFS::FileSystem"
    properties = names(
        "AvailabilityZoneName BackupPolicy Encrypted FileSystemPolicy FileSystemTags KmsKeyId LifecyclePolicies "
        "PerformanceMode ProvisionedThroughputInMibps ThroughputMode"
    )
    mutable = names("FileSystemPolicy FileSystemTags LifecyclePolicies")
    tag_property = "FileSystemTags"

    def create(self, x: Step) -> None:
        backup = (x.get("BackupPolicy") or {}).get("Status")
        answer = x.call(
            "efs",
            "create_file_system",
            CreationToken=x.unique_name(64),
            **x.only(
                "AvailabilityZoneName",
                "Encrypted",
                "KmsKeyId",
                "PerformanceMode",
                "ProvisionedThroughputInMibps",
                "ThroughputMode",
            ),
            Backup=backup == "ENABLED" if backup else None,
            Tags=tag_list(x.tags) or None,
        )
        x.made(answer["FileSystemId"], Arn=answer["FileSystemArn"])
        x.wait(lambda: self._state(x) == "available", "file system available")
        for name in ("LifecyclePolicies", "FileSystemPolicy"):
            if x.get(name):
                self._set(x, name)

    def _state(self, x: Step) -> str:
        return _state(x, "describe_file_systems", "FileSystems", FileSystemId=x.physical_id)

    def _set(self, x: Step, name: str) -> None:
        if name == "LifecyclePolicies":
            policies = x.get(name) or []
            x.call("efs", "put_lifecycle_configuration", FileSystemId=x.physical_id, LifecyclePolicies=policies)
        elif x.get(name):
            x.call("efs", "put_file_system_policy", FileSystemId=x.physical_id, Policy=x.get(name))
        else:
            raise Failed("Taking the policy of a file system away is not supported by this endpoint")

    def update(self, x: Step) -> None:
        for name in x.changed - {"FileSystemTags"}:
            self._set(x, name)
        if "FileSystemTags" in x.changed:
            _retag(x)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("efs", "delete_file_system", FileSystemId=x.physical_id)
        x.wait(lambda: self._state(x) == "deleted", "file system deleted")

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "FileSystemId" else x.memo.get(name)


class MountTarget(Kind):
    name = "AWS::EFS::MountTarget"
    properties = names("FileSystemId IpAddress SecurityGroups SubnetId")
    mutable = names("SecurityGroups")

    def create(self, x: Step) -> None:
        answer = x.call("efs", "create_mount_target", **x.only(*self.properties))
        x.made(answer["MountTargetId"], IpAddress=answer["IpAddress"])
        x.wait(lambda: self._state(x) == "available", "mount target available")

    def _state(self, x: Step) -> str:
        return _state(x, "describe_mount_targets", "MountTargets", MountTargetId=x.physical_id)

    def update(self, x: Step) -> None:
        groups = x.get("SecurityGroups")
        operation = "modify_mount_target_security_groups"
        x.call("efs", operation, MountTargetId=x.physical_id, SecurityGroups=groups)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("efs", "delete_mount_target", MountTargetId=x.physical_id)
        x.wait(lambda: self._state(x) == "deleted", "mount target deleted")

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else x.memo.get(name)


class AccessPoint(Kind):
    name = "AWS::EFS::AccessPoint"
    properties = names("AccessPointTags ClientToken FileSystemId PosixUser RootDirectory")
    mutable = names("AccessPointTags")
    tag_property = "AccessPointTags"

    def create(self, x: Step) -> None:
        answer = x.call(
            "efs",
            "create_access_point",
            ClientToken=x.get("ClientToken") or x.unique_name(64),
            **x.only("FileSystemId", "PosixUser", "RootDirectory"),
            Tags=tag_list(x.tags) or None,
        )
        x.made(answer["AccessPointId"], Arn=answer["AccessPointArn"])

    def update(self, x: Step) -> None:
        _retag(x)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("efs", "delete_access_point", AccessPointId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "AccessPointId" else x.memo.get(name)
