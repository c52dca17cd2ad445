"""FSx for Lustre, held inert: file systems can be made, described, changed and deleted, but not mounted."""

from __future__ import annotations

import secrets
import string
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.interfaces import create_interface, delete_interface, hand_over
from dlcluster.local.aws.query import AwsError, Context, QueryService, page

BUSY_SECONDS = 0.1  # CREATING and DELETING last so long
PAGE = 100
_THROUGHPUT = {"PERSISTENT_1": (50, 100, 200), "PERSISTENT_2": (125, 250, 500, 1000)}
_REPOSITORY = ("ImportPath", "ExportPath", "ImportedFileChunkSize", "AutoImportPolicy")


@dataclass
class FileSystem:
    """One file system; `row` has the structure of botocore's FileSystem."""

    region: str
    row: dict[str, Any]
    interfaces: list[str]
    since: float = field(default_factory=time.time)
    deleted: bool = False

    @property
    def settled(self) -> bool:
        return time.time() - self.since > BUSY_SECONDS

    def described(self) -> dict[str, Any]:
        """The row with what time has made of it."""
        lifecycle = "DELETING" if self.deleted else "AVAILABLE" if self.settled else "CREATING"
        return {**self.row, "Lifecycle": lifecycle}


class FileSystems(QueryService):
    """The service of one emulated account."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("fsx")
        self._emulator = emulator
        self._backend: Backend = emulator.backend
        self._lock = threading.RLock()
        self._systems: dict[str, FileSystem] = {}

    def create_file_system(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """CREATING for a moment, then AVAILABLE."""
        with self._lock:
            lustre = _checked(params)
            system_id = f"fs-{secrets.token_hex(9)[:17]}"
            vpc, interfaces = self._place(params, context.region, system_id)
            row = {
                "OwnerId": context.account_id,
                "CreationTime": datetime.now(UTC),
                "FileSystemId": system_id,
                "FileSystemType": "LUSTRE",
                "FileSystemTypeVersion": params.get("FileSystemTypeVersion") or _version(lustre),
                "StorageCapacity": params["StorageCapacity"],
                "StorageType": params.get("StorageType", "SSD"),
                "VpcId": vpc,
                "SubnetIds": params["SubnetIds"],
                "NetworkInterfaceIds": interfaces,
                "DNSName": f"{system_id}.fsx.{context.region}.amazonaws.com",
                "KmsKeyId": params.get("KmsKeyId"),
                "ResourceARN": f"arn:aws:fsx:{context.region}:{context.account_id}:file-system/{system_id}",
                "Tags": params.get("Tags") or [],
                "LustreConfiguration": lustre,
            }
            self._systems[system_id] = FileSystem(context.region, row, interfaces)
            return {"FileSystem": self._systems[system_id].described()}

    def _place(self, params: dict[str, Any], region: str, system_id: str) -> tuple[str, list[str]]:
        """The VPC of the subnet, and the network interface that keeps both from being deleted."""
        subnets = params["SubnetIds"]
        if len(subnets) != 1:
            raise AwsError("InvalidNetworkSettings", "Exactly one subnet ID is required for a Lustre file system.")
        request = {
            "SubnetId": subnets[0],
            "Description": f"Created By Amazon FSx for {system_id}",
            "Groups": params.get("SecurityGroupIds") or [],
        }
        try:
            vpc = self._backend.call("ec2", "DescribeSubnets", {"SubnetIds": subnets}, region)["Subnets"][0]["VpcId"]
            made = create_interface(self._emulator, request, region)
        except AwsError as problem:
            raise AwsError("InvalidNetworkSettings", problem.message) from None
        interface_id = made["NetworkInterface"]["NetworkInterfaceId"]
        hand_over(self._backend.ec2(region).enis[interface_id], request["Description"], "interface")
        return vpc, [interface_id]

    def describe_file_systems(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            systems = self._alive(context.region)
            wanted = params.get("FileSystemIds") or []
            if wanted:
                systems = [self._find(system_id, context.region) for system_id in wanted]
            limit = params.get("MaxResults") or PAGE
            rows, token = page(systems, lambda item: item.row["FileSystemId"], params.get("NextToken"), limit)
            return {"FileSystems": [system.described() for system in rows], "NextToken": token}

    def update_file_system(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Capacity only grows."""
        with self._lock:
            system = self._find(params["FileSystemId"], context.region)
            capacity = params.get("StorageCapacity", system.row["StorageCapacity"])
            if capacity < system.row["StorageCapacity"]:
                raise AwsError("BadRequest", "The storage capacity of a file system can only be increased.")
            lustre = {**system.row["LustreConfiguration"], **(params.get("LustreConfiguration") or {})}
            kind = {"FileSystemType": "LUSTRE", "StorageType": system.row["StorageType"]}
            lustre = _checked({**kind, "StorageCapacity": capacity, "LustreConfiguration": lustre})
            system.row = {**system.row, "StorageCapacity": capacity, "LustreConfiguration": lustre}
            return {"FileSystem": system.described()}

    def delete_file_system(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            system = self._find(params["FileSystemId"], context.region)
            if system.deleted:
                return {"FileSystemId": params["FileSystemId"], "Lifecycle": "DELETING"}
            for interface in system.interfaces:
                delete_interface(self._backend, interface, context.region)
            system.deleted, system.since = True, time.time()
            return {"FileSystemId": params["FileSystemId"], "Lifecycle": "DELETING"}

    # -- tags -----------------------------------------------------------------------------------------

    def tag_resource(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            row = self._by_arn(params["ResourceARN"], context.region).row
            tags = {tag["Key"]: tag for tag in [*row["Tags"], *params["Tags"]]}
            row["Tags"] = list(tags.values())

    def untag_resource(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            row = self._by_arn(params["ResourceARN"], context.region).row
            row["Tags"] = [tag for tag in row["Tags"] if tag["Key"] not in params["TagKeys"]]

    def list_tags_for_resource(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            return {"Tags": self._by_arn(params["ResourceARN"], context.region).row["Tags"]}

    # -- finding --------------------------------------------------------------------------------------

    def _alive(self, region: str) -> list[FileSystem]:
        self._systems = {key: item for key, item in self._systems.items() if not (item.deleted and item.settled)}
        return [system for system in self._systems.values() if system.region == region]

    def _find(self, system_id: str, region: str) -> FileSystem:
        for system in self._alive(region):
            if system.row["FileSystemId"] == system_id:
                return system
        raise AwsError("FileSystemNotFound", f"File system '{system_id}' does not exist.")

    def _by_arn(self, arn: str, region: str) -> FileSystem:
        for system in self._alive(region):
            if system.row["ResourceARN"] == arn:
                return system
        raise AwsError("ResourceNotFound", f"The resource {arn} does not exist.")


def _checked(params: dict[str, Any]) -> dict[str, Any]:
    """The Lustre configuration as it is described. Raises AwsError for what FSx does not offer.

    Source: https://docs.aws.amazon.com/fsx/latest/APIReference/API_CreateFileSystem.html
    """
    if params["FileSystemType"] != "LUSTRE":
        raise AwsError("BadRequest", f"File systems of type {params['FileSystemType']} are not held by this endpoint")
    given = dict(params.get("LustreConfiguration") or {})
    deployment = given.setdefault("DeploymentType", "SCRATCH_1")
    disk = params.get("StorageType", "SSD")
    throughput = given.get("PerUnitStorageThroughput")
    allowed: tuple[int, ...] = (12, 40) if disk == "HDD" else _THROUGHPUT.get(deployment, ())
    if throughput is None and allowed:
        raise AwsError("BadRequest", f"PerUnitStorageThroughput is required for {deployment} file systems.")
    if throughput is not None and throughput not in allowed:
        raise AwsError("InvalidPerUnitStorageThroughput", f"An invalid value ({throughput}) for "
                       f"PerUnitStorageThroughput was provided. Valid values are {list(allowed)}.")  # fmt: skip
    _check_capacity(params.get("StorageCapacity"), deployment, disk, throughput)
    given.setdefault("MountName", "fsx" if deployment == "SCRATCH_1" else _random_name())
    repository = {name: given.pop(name) for name in _REPOSITORY if name in given}
    if repository:
        given["DataRepositoryConfiguration"] = {"Lifecycle": "AVAILABLE", **repository}
    return given


def _check_capacity(capacity: int | None, deployment: str, disk: str, throughput: int | None) -> None:
    """Sizes in GiB: 1,200, and then steps that depend on the kind of file system."""
    if capacity is None:
        raise AwsError("BadRequest", "StorageCapacity is required.")
    small: tuple[int, ...] = (1200,)
    step = 2400
    if disk == "HDD":
        small, step = (), 6000 if throughput == 12 else 1800
    elif deployment == "SCRATCH_1":
        small, step = (1200, 2400), 3600
    if capacity not in small and (capacity <= 0 or capacity % step):
        raise AwsError("BadRequest", f"The storage capacity {capacity} GiB is invalid for a {deployment} file system: "
                       f"valid are {[*small, step]} and multiples of {step}.")  # fmt: skip


def _version(lustre: dict[str, Any]) -> str:
    return "2.12" if lustre["DeploymentType"] == "PERSISTENT_2" else "2.10"


def _random_name() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
