"""What the instance metadata service of a node tells.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.nodes.layout import host_name

Document = bytes | Callable[[], bytes]


def documents(instance: Any, *, account_id: str, credentials: Callable[[], dict[str, Any]]) -> dict[str, Document]:
    """Path below the version -> contents, for an instance of the emulator's compute service."""
    texts = {
        **_identity(instance),
        **_placement(instance),
        **_network(instance, account_id),
        **{f"block-device-mapping/{name}": device for name, device in instance.block_devices.items()},
        **_notices(instance.notices),
    }
    if instance.options.tags == "enabled":
        texts |= {f"tags/instance/{key}": value for key, value in instance.tags.items()}
    found: dict[str, Document] = {f"meta-data/{key}": value.encode() for key, value in texts.items()}
    found["dynamic/instance-identity/document"] = _identity_document(instance, account_id)
    if instance.user_data:
        found["user-data"] = instance.user_data
    if instance.role:
        found["meta-data/iam/info"] = _profile(instance)
        found[f"meta-data/iam/security-credentials/{instance.role}"] = lambda: role_document(credentials())
    return found


def role_document(credentials: Mapping[str, Any]) -> bytes:
    """The credentials of a role as the service words them. Expiration: a datetime or an ISO 8601 string."""
    expiration = credentials["Expiration"]
    if not isinstance(expiration, str):
        expiration = _time(expiration)
    fields = {"Code": "Success", "Type": "AWS-HMAC", **credentials, "Expiration": expiration}
    return json.dumps(fields, indent=2).encode()


def lookup(found: Mapping[str, Document], path: str) -> Document | None:
    """A document, or the listing of a directory; None when there is neither."""
    path = path.strip("/")
    if path in found:
        return found[path]
    prefix = f"{path}/" if path else ""
    names = {"".join(name.removeprefix(prefix).partition("/")[:2]) for name in found if name.startswith(prefix)}
    names -= {name[:-1] for name in names if name.endswith("/")}
    return "\n".join(sorted(names)).encode() if names else None


def _identity(instance: Any) -> dict[str, str]:
    host = f"{host_name(instance.private_ip)}.ec2.internal"
    texts = {
        "ami-id": instance.image_id,
        "ami-launch-index": "0",
        "ami-manifest-path": "(unknown)",
        "hostname": host,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": "on-demand" if instance.market == "on-demand" else instance.market,
        "instance-type": instance.instance_type,
        "local-hostname": host,
        "local-ipv4": instance.private_ip,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        "system": "nitro",
    }
    if instance.public_ip:
        texts |= {"public-ipv4": instance.public_ip, "public-hostname": _public_name(instance.public_ip)}
    if instance.reservation_id:
        texts["reservation-id"] = instance.reservation_id
    if instance.key_material:
        # The listing of the keys names them.
        texts["public-keys"] = f"0={instance.key_name}"
        texts["public-keys/0/openssh-key"] = instance.key_material + "\n"
    return texts


def _placement(instance: Any) -> dict[str, str]:
    group = {"placement/group-name": instance.group_name} if instance.group_name else {}
    return {"placement/availability-zone": instance.availability_zone, "placement/region": instance.region, **group}


def _network(instance: Any, account_id: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, interface in enumerate(instance.interfaces):
        if number == 0:
            texts["mac"] = interface.mac
            texts["security-groups"] = "\n".join(name for _, name in interface.groups)
        place = f"network/interfaces/macs/{interface.mac}"
        texts |= {f"{place}/{key}": value for key, value in _interface(interface, account_id).items()}
    return texts


def _interface(interface: Any, account_id: str) -> dict[str, str]:
    texts = {
        "device-number": str(interface.device_number),
        "interface-id": interface.id,
        "local-hostname": f"{host_name(interface.private_ip)}.ec2.internal",
        "local-ipv4s": interface.private_ip,
        "mac": interface.mac,
        "owner-id": account_id,
        "security-group-ids": "\n".join(identity for identity, _ in interface.groups),
        "security-groups": "\n".join(name for _, name in interface.groups),
        "subnet-id": interface.subnet_id,
        "subnet-ipv4-cidr-block": interface.subnet_cidr,
        "vpc-id": interface.vpc_id,
        "vpc-ipv4-cidr-block": interface.vpc_cidr,
        "vpc-ipv4-cidr-blocks": interface.vpc_cidr,
    }
    if interface.public_ip:
        texts |= {
            "public-ipv4s": interface.public_ip,
            "public-hostname": _public_name(interface.public_ip),
            f"ipv4-associations/{interface.public_ip}": interface.private_ip,
        }
    return texts


def _notices(notices: Any) -> dict[str, str]:
    """What exists only once EC2 has something to say."""
    texts = {"events/maintenance/history": "[]", "events/maintenance/scheduled": "[]"}
    if notices.rebalance:
        texts["events/recommendations/rebalance"] = json.dumps({"noticeTime": _time(notices.rebalance)})
    if notices.interruption:
        when = _time(notices.interruption)
        texts["spot/instance-action"] = json.dumps({"action": notices.action, "time": when})
        texts["spot/termination-time"] = when
    return texts


def _identity_document(instance: Any, account_id: str) -> bytes:
    fields = {
        "accountId": account_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "pendingTime": _time(instance.launch_time),
        "privateIp": instance.private_ip,
        "ramdiskId": None,
        "region": instance.region,
        "version": "2017-09-30",
    }
    return json.dumps(fields, indent=2).encode()


def _profile(instance: Any) -> bytes:
    fields = {
        "Code": "Success",
        "LastUpdated": _time(datetime.now(UTC)),
        "InstanceProfileArn": instance.profile_arn,
        "InstanceProfileId": instance.profile_id,
    }
    return json.dumps(fields, indent=2).encode()


def _public_name(address: str) -> str:
    return f"ec2-{address.replace('.', '-')}.compute-1.amazonaws.com"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
