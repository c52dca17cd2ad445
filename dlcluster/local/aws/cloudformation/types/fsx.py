"""FSx for Lustre."""

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


class FsxFileSystem(Kind):
    name = "AWS::FSx::FileSystem"
    properties = names(
        "FileSystemType FileSystemTypeVersion KmsKeyId LustreConfiguration SecurityGroupIds StorageCapacity "
        "StorageType SubnetIds Tags"
    )
    mutable = names("LustreConfiguration StorageCapacity Tags")

    def create(self, x: Step) -> None:
        token = x.unique_name(63)
        request = x.only(*(self.properties - {"Tags"}))
        answer = x.call("fsx", "create_file_system", ClientRequestToken=token, **request, Tags=tag_list(x.tags) or None)
        system = answer["FileSystem"]
        x.made(system["FileSystemId"], ResourceARN=system["ResourceARN"], DNSName=system["DNSName"])
        x.memo["LustreMountName"] = system["LustreConfiguration"]["MountName"]
        x.wait(lambda: self._available(x), "file system available", seconds=3600)

    def _lifecycle(self, x: Step) -> str:
        system = first_row(x, "fsx", "describe_file_systems", "FileSystems", FileSystemIds=[x.physical_id])
        return str(system.get("Lifecycle", "DELETED"))

    def _available(self, x: Step) -> bool:
        lifecycle = self._lifecycle(x)
        if lifecycle in ("FAILED", "DELETED"):
            raise Failed(f"File system {x.physical_id} failed to become available: {lifecycle}")
        return lifecycle == "AVAILABLE"

    def update(self, x: Step) -> None:
        if x.changed - {"Tags"}:
            request = x.only(*(name for name in ("StorageCapacity", "LustreConfiguration") if name in x.changed))
            x.call("fsx", "update_file_system", FileSystemId=x.physical_id, **request)
            x.wait(lambda: self._available(x), "file system updated")
        if "Tags" in x.changed:
            arn = x.memo["ResourceARN"]
            if removed_tags(x):
                x.call("fsx", "untag_resource", ResourceARN=arn, TagKeys=removed_tags(x))
            if x.tags:
                x.call("fsx", "tag_resource", ResourceARN=arn, Tags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("fsx", "delete_file_system", FileSystemId=x.physical_id)
        x.wait(lambda: self._lifecycle(x) == "DELETED", "file system deleted", seconds=3600)

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)
