"""Images: public names in the Parameter Store (Deep Learning AMIs, Canonical's Ubuntu), and the account's own.

Sources: https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html and
https://documentation.ubuntu.com/aws/en/latest/aws-how-to/instances/find-ubuntu-images/
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService

_PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
_DEEP_LEARNING = re.compile(
    r"/aws/service/deeplearning/ami/(?P<arch>x86_64|arm64)/"
    r"(?P<kind>[a-z0-9.-]+-(?:ubuntu-\d\d\.04|amazon-linux-2(?:023)?))/latest/ami-id"
)
_UBUNTU = re.compile(
    r"/aws/service/canonical/ubuntu/(?P<kind>server|server-minimal)/(?P<release>\d\d\.04|focal|jammy|noble)/"
    r"stable/current/(?P<arch>amd64|arm64)/hvm/ebs-gp[23]/ami-id"
)


@dataclass(frozen=True)
class Image:
    """A public image; its id is the same in every run."""

    id: str
    name: str
    architecture: str
    owner_id: str


def public_image(parameter: str, region: str) -> Image | None:
    """The image that a public parameter names, or None for any other parameter."""
    image_id = "ami-" + hashlib.sha256(f"{region} {parameter}".encode()).hexdigest()[:17]
    if match := _DEEP_LEARNING.fullmatch(parameter):
        words = match["kind"].replace("-", " ").title()
        return Image(image_id, f"Deep Learning {words} 20261101", match["arch"], "898082745236")
    if match := _UBUNTU.fullmatch(parameter):
        architecture = {"amd64": "x86_64"}.get(match["arch"], match["arch"])
        name = f"ubuntu/images/hvm-ssd/ubuntu-{match['release']}-{match['arch']}-{match['kind']}-20261101"
        return Image(image_id, name, architecture, "099720109477")
    return None


class ImageParameters(QueryService):
    """GetParameter and GetParameters; everything but image names is answered by moto."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ssm")
        self._backend: Backend = emulator.backend

    def get_parameter(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        found = self._parameter(params["Name"], context.region)
        if found:
            return {"Parameter": found}
        return self._backend.call("ssm", "GetParameter", params, context.region)

    def get_parameters(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        found = {name: self._parameter(name, context.region) for name in params["Names"]}
        others = [name for name, parameter in found.items() if parameter is None]
        result: dict[str, Any] = {"Parameters": [], "InvalidParameters": []}
        if others:
            result = self._backend.call("ssm", "GetParameters", {**params, "Names": others}, context.region)
        ours = [parameter for parameter in found.values() if parameter]
        return {**result, "Parameters": [*ours, *result["Parameters"]]}

    def put_parameter(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params["Name"].startswith("/aws/"):
            message = f"No access to reserved parameter name: {params['Name']}."
            raise AwsError("AccessDeniedException", message)
        return self._backend.call("ssm", "PutParameter", params, context.region)

    def _parameter(self, name: str, region: str) -> dict[str, Any] | None:
        image = public_image(name, region)
        if image is None:
            return None
        self._register(image, region)
        return {
            "Name": name,
            "Type": "String",
            "Value": image.id,
            "Version": 1,
            "LastModifiedDate": _PUBLISHED,
            "ARN": f"arn:aws:ssm:{region}::parameter{name}",
            "DataType": "aws:ec2:image",
        }

    def _register(self, image: Image, region: str) -> None:
        """Make the image known to EC2, as its owner's."""
        from moto.ec2.models.amis import Ami

        with self._backend.lock:
            ec2 = self._backend.ec2(region)
            if image.id not in ec2.amis:
                ec2.amis[image.id] = Ami(
                    ec2,
                    image.id,
                    name=image.name,
                    description=image.name,
                    owner_id=image.owner_id,
                    public=True,
                    virtualization_type="hvm",
                    architecture=image.architecture,
                    creation_date=_PUBLISHED,
                    hypervisor="xen",
                    root_device_type="ebs",
                    root_device_name="/dev/sda1",
                    region_name=f"{region}a",
                )


class OwnImages(QueryService):
    """RegisterImage and CreateImage by moto, whose images then say that their root device is a volume, as it is."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def register_image(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._on_volume("RegisterImage", params, context.region)

    def create_image(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._on_volume("CreateImage", params, context.region)

    def _on_volume(self, action: str, params: dict[str, Any], region: str) -> dict[str, Any]:
        answer = self._backend.call("ec2", action, params, region)
        with self._backend.lock:
            self._backend.ec2(region).amis[answer["ImageId"]].root_device_type = "ebs"
        return answer
