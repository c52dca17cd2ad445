"""Volumes: made in a zone that is there, attached to one instance of it, where moto checks nothing."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService

# GiB, at least and at most. Source: the EBS user guide, volume types.
_SIZES = {
    "gp2": (1, 16_384),
    "gp3": (1, 65_536),
    "io1": (4, 16_384),
    "io2": (4, 65_536),
    "st1": (125, 16_384),
    "sc1": (125, 16_384),
    "standard": (1, 1_024),
}


class Volumes(QueryService):
    """CreateVolume, AttachVolume and DetachVolume."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def create_volume(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        zone, size = params.get("AvailabilityZone"), params.get("Size")
        zones = self._ec2("DescribeAvailabilityZones", {}, context)["AvailabilityZones"]
        if zone and zone not in {row["ZoneName"] for row in zones}:
            raise AwsError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
        kind = params.get("VolumeType", "gp2")
        least, most = _SIZES.get(kind, (1, 65_536))
        if size is not None and size < least:
            message = f"Volume of {size}GiB is too small; minimum is {least}GiB."
            raise AwsError("InvalidParameterValue", message)
        if size is not None and size > most:
            message = f"Volume of {size}GiB is too large for volume type {kind}; maximum is {most}GiB."
            raise AwsError("InvalidParameterValue", message)
        return self._ec2("CreateVolume", params, context)

    def attach_volume(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        volume_id, instance_id, device = params["VolumeId"], params["InstanceId"], params["Device"]
        with self._backend.lock:
            (volume,) = self._ec2("DescribeVolumes", {"VolumeIds": [volume_id]}, context)["Volumes"]
            instance = self._backend.instance(context.region, instance_id)
            if volume["Attachments"]:
                raise AwsError("VolumeInUse", f"{volume_id} is already attached to an instance")
            if volume["AvailabilityZone"] != instance.placement.zone:
                message = f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'"
                raise AwsError("InvalidVolume.ZoneMismatch", message)
            if instance._state.name not in ("running", "stopped"):
                raise AwsError("IncorrectState", f"Instance '{instance_id}' is not 'running'.")
            if device in instance.block_device_mapping:
                message = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
                raise AwsError("InvalidParameterValue", message)
            return self._ec2("AttachVolume", params, context)

    def detach_volume(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """moto wants to be told the instance."""
        volume_id = params["VolumeId"]
        with self._backend.lock:
            (volume,) = self._ec2("DescribeVolumes", {"VolumeIds": [volume_id]}, context)["Volumes"]
            if not volume["Attachments"]:
                raise AwsError("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
            held = volume["Attachments"][0]["InstanceId"]
            return self._ec2("DetachVolume", {"InstanceId": held, **params}, context)

    def _ec2(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._backend.call("ec2", action, params, context.region)
