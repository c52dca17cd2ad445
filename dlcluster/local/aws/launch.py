"""RunInstances and what follows: launch templates really applied, instances pending until their node is up."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.capacity import Capacity
from dlcluster.local.aws.compute import Compute, Launch
from dlcluster.local.aws.faults import Faults
from dlcluster.local.aws.faults.errors import Place
from dlcluster.local.aws.interfaces import asked_addresses, check_addresses
from dlcluster.local.aws.limits import check_interfaces, vcpus
from dlcluster.local.aws.options import check_tag_keys
from dlcluster.local.aws.placement import refuse_unknown, tags_for
from dlcluster.local.aws.query import AwsError, Context, QueryService
from dlcluster.local.aws.quotas import Quotas, quota_code
from dlcluster.local.aws.routing import Call

_USER_DATA_LIMIT = 16 * 1024


class Instances(QueryService):
    """RunInstances, the other changes of state, and GetConsoleOutput."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend
        self._compute: Compute = emulator.compute
        self._faults: Faults = emulator.faults
        self._quotas: Quotas = emulator.quotas
        self._capacity: Capacity = emulator.capacity

    def run_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._compute.forget()
            request = Request(self._backend, context.region, params)
            if request.group_name:
                refuse_unknown([request.group_name], self._compute.group_names(context.region))
            if params.get("DryRun"):
                message = "Request would have succeeded, but DryRun flag is set."
                raise AwsError("DryRunOperation", message, status=412)
            if self._faults.wait_for_launches:
                call = Call("ec2", context.region, "RunInstances", context.access_key, context.user_agent)
                self._faults.check_launch(call, request.place())
            if self._capacity.limited:
                self._grant(request)
            self._check_quota(context.region, request)
            for subnet_id in request.subnets:
                self._compute.make_room(context.region, subnet_id, request.addresses)
            self._check_addresses(context.region, request)
            made = self._backend.call("ec2", "RunInstances", request.asked, context.region)
            instance_ids = [item["InstanceId"] for item in made["Instances"]]
            self._compute.launched(context.region, instance_ids, request.launch)
            return self._reservation(instance_ids, context.region)

    def _check_addresses(self, region: str, request: Request) -> None:
        """The private addresses that are asked for are free; those of terminated instances become so."""
        for interface in request.asked["NetworkInterfaces"]:
            if asked := asked_addresses(interface):
                self._compute.forget(timedelta(0))
                check_addresses(self._backend.ec2(region).get_subnet(interface["SubnetId"]), asked)

    def _grant(self, request: Request) -> None:
        """Launch as many as there is room for, and no fewer than MinCount."""
        asked = request.asked
        asked["MinCount"] = asked["MaxCount"] = self._capacity.granted(
            request.place(), request.least, asked["MaxCount"]
        )

    def _check_quota(self, region: str, request: Request) -> None:
        """All running instances of the same quota, and the new ones, fit into it."""
        code = quota_code(request.kind["InstanceType"], request.launch.market)
        if code is None:
            return
        used = sum(
            vcpus(self._backend, kind)
            for kind, market in self._compute.running(region)
            if quota_code(kind, market) == code
        )
        wanted = request.kind["VCpuInfo"]["DefaultVCpus"] * request.asked["MaxCount"]
        self._quotas.check(region, code, used, wanted)

    def start_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._require(params["InstanceIds"], {"stopped", "pending", "running"}, "started")
            self._check_room(params["InstanceIds"], context.region)
            result = self._backend.call("ec2", "StartInstances", params, context.region)
            for item in result.get("StartingInstances", []):
                if item["PreviousState"]["Name"] != "running":
                    self._compute.starting(item["InstanceId"])
                else:
                    item["CurrentState"] = item["PreviousState"]
            return result

    def _check_room(self, instance_ids: list[str], region: str) -> None:
        """What was stopped starts again only where there is room."""
        found = [self._backend.instance(region, instance_id) for instance_id in instance_ids]
        stopped = Counter((item.instance_type, item.placement.zone) for item in found if item._state.name == "stopped")
        for (kind, zone), count in stopped.items():
            self._capacity.granted(Place(kind, zone), count, count)

    def stop_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._backend.lock:
            self._require(params["InstanceIds"], {"running", "stopping", "stopped"}, "stopped")
            result = self._backend.call("ec2", "StopInstances", params, context.region)
            for instance_id in params["InstanceIds"]:
                self._compute.stopped(instance_id)
            return result

    def reboot_instances(self, params: dict[str, Any], context: Context) -> None:
        """A reboot changes no state (moto would let a pending instance run); the node notices it."""
        with self._backend.lock:
            self._require(params["InstanceIds"], {"pending", "running"}, "rebooted")
            for instance_id in params["InstanceIds"]:
                self._compute.rebooted(instance_id)

    def terminate_instances(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Terminate what lives; to terminate again what is terminated is no error."""
        with self._backend.lock:
            states = {item: self._compute.state(item) for item in params["InstanceIds"]}
            live = [item for item, state in states.items() if state != "terminated"]
            rows = []
            if live:
                asked = {**params, "InstanceIds": live}
                rows = self._backend.call("ec2", "TerminateInstances", asked, context.region)["TerminatingInstances"]
                self._compute.ended(context.region, live)
            over = {"Code": 48, "Name": "terminated"}
            again = [
                {"InstanceId": item, "CurrentState": over, "PreviousState": over} for item in states if item not in live
            ]
            return {"TerminatingInstances": [*rows, *again]}

    def _require(self, instance_ids: list[str], states: set[str], verb: str) -> None:
        for instance_id in instance_ids:
            if self._compute.state(instance_id) not in states:
                message = f"The instance '{instance_id}' is not in a state from which it can be {verb}."
                raise AwsError("IncorrectInstanceState", message)

    def get_console_output(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        text = self._compute.console_output(params["InstanceId"])
        output = base64.b64encode(text.encode()).decode()
        return {"InstanceId": params["InstanceId"], "Timestamp": datetime.now(UTC), "Output": output}

    def _reservation(self, instance_ids: list[str], region: str) -> dict[str, Any]:
        asked = {"InstanceIds": instance_ids}
        return self._backend.call("ec2", "DescribeInstances", asked, region)["Reservations"][0]


class Request:
    """A RunInstances request with everything written out: moto applies only a part of a launch template.

    Raises AwsError for what EC2 refuses. `asked` is what moto is asked for, `launch` what it does not take.
    """

    def __init__(self, backend: Backend, region: str, params: dict[str, Any]) -> None:
        self._backend = backend
        self._region = region
        self.asked = self._with_template(params)
        self._tags = self.asked.get("TagSpecifications", [])
        self._profile = self.asked.pop("IamInstanceProfile", {})
        self.asked.pop("DryRun", None)
        self.group_name: str = self.asked.get("Placement", {}).get("GroupName", "")
        self._check_image()
        self._count()
        self._network()
        self._volumes()
        if self.asked["MetadataOptions"].get("InstanceMetadataTags") == "enabled":
            check_tag_keys(tags_for("instance", self._tags))
        self.asked["TagSpecifications"] = [
            {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            for kind in ("instance", "volume")
            if (tags := tags_for(kind, self._tags))
        ]
        self.launch = Launch(
            key_material=self._public_key(self.asked.get("KeyName")),
            user_data=_user_data(self.asked.get("UserData", "")),
            group_name=self.group_name,
            interface_types=[i.get("InterfaceType", "interface") for i in self.asked["NetworkInterfaces"]],
            interface_tags=tags_for("network-interface", self._tags),
            profile=self._profile_name(),
            market=self.asked.get("InstanceMarketOptions", {}).get("MarketType", "on-demand"),
        )

    @property
    def subnets(self) -> set[str]:
        """The subnets that give addresses."""
        return {item["SubnetId"] for item in self.asked["NetworkInterfaces"] if "SubnetId" in item}

    @property
    def addresses(self) -> int:
        """How many private addresses the launch takes."""
        return int(self.asked["MaxCount"]) * len(self.asked["NetworkInterfaces"])

    def place(self) -> Place:
        """What would be launched where."""
        zones = [row["ZoneName"] for row in self._call("DescribeAvailabilityZones")["AvailabilityZones"]]
        subnets = self._call("DescribeSubnets", SubnetIds=sorted(self.subnets))["Subnets"] if self.subnets else []
        zone = subnets[0]["AvailabilityZone"] if subnets else self.asked["Placement"].get("AvailabilityZone", "")
        spot = self.asked.get("InstanceMarketOptions", {}).get("MarketType") == "spot"
        return Place(self.asked["InstanceType"], zone, tuple(name for name in zones if name != zone), spot)

    def _call(self, action: str, **params: Any) -> dict[str, Any]:
        return self._backend.call("ec2", action, params, self._region)

    def _with_template(self, params: dict[str, Any]) -> dict[str, Any]:
        """The launch template's data, and over it what the request says itself."""
        template = self._template(params.get("LaunchTemplate"))
        asked = {**template, **params}
        for name in ("MetadataOptions", "Placement"):
            asked[name] = {**template.get(name, {}), **params.get(name, {})}
        asked["TagSpecifications"] = [
            *template.get("TagSpecifications", []),
            *params.get("TagSpecifications", []),
        ]
        if not asked.get("ImageId"):
            raise AwsError("MissingParameter", "The request must contain the parameter ImageId")
        asked.setdefault("InstanceType", "m1.small")
        return asked

    def _check_image(self) -> None:
        """The image exists and fits the type's processor."""
        image = self._call("DescribeImages", ImageIds=[self.asked["ImageId"]])["Images"][0]
        kind = self.asked["InstanceType"]
        try:
            kinds = self._call("DescribeInstanceTypes", InstanceTypes=[kind])["InstanceTypes"]
        except AwsError as problem:
            if problem.code != "InvalidInstanceType":
                raise
            kinds = []
        if not kinds:
            raise AwsError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
        self.kind: dict[str, Any] = kinds[0]
        wanted = image.get("Architecture", "x86_64")
        offered = kinds[0]["ProcessorInfo"]["SupportedArchitectures"]
        if wanted not in offered:
            raise AwsError(
                "InvalidParameterValue",
                f"The architecture '{','.join(offered)}' of the specified instance type does not match the "
                f"architecture '{wanted}' of the specified AMI.",
            )

    def _template(self, wanted: dict[str, Any] | None) -> dict[str, Any]:
        if not wanted:
            return {}
        name = {key: wanted[key] for key in ("LaunchTemplateId", "LaunchTemplateName") if key in wanted}
        version = wanted.get("Version") or "$Default"
        found = self._call("DescribeLaunchTemplateVersions", **name, Versions=[version])
        if not found.get("LaunchTemplateVersions"):
            message = f"Could not find the specified version {version} for the launch template."
            raise AwsError("InvalidLaunchTemplateId.VersionNotFound", message)
        shape = self._backend.shape("ec2", "RunInstances")
        return fit(shape, found["LaunchTemplateVersions"][0]["LaunchTemplateData"])

    def _count(self) -> None:
        least, most = self.asked["MinCount"], self.asked["MaxCount"]
        if not 1 <= least <= most:
            message = f"Invalid value '{least}' for minCount: 1 to maxCount ({most}) is expected"
            raise AwsError("InvalidParameterValue", message)
        self.least: int = least
        self.asked["MinCount"] = most  # moto launches MinCount

    def _network(self) -> None:
        """Write the interfaces out: one when none is asked for, in a default subnet when none is named."""
        subnet_id = self.asked.pop("SubnetId", None)
        groups = self.asked.pop("SecurityGroupIds", [])
        interfaces = self.asked.get("NetworkInterfaces")
        if interfaces and (subnet_id or groups):
            raise AwsError(
                "InvalidParameterCombination",
                "Network interfaces and an instance-level subnet ID or security groups may not be specified "
                "on the same request",
            )
        own = {"PrivateIpAddress": address} if (address := self.asked.pop("PrivateIpAddress", None)) else {}
        self.asked["NetworkInterfaces"] = interfaces or [{"DeviceIndex": 0, **own}]
        check_interfaces(self.kind, self.asked["NetworkInterfaces"])
        for item in self.asked["NetworkInterfaces"]:
            if "NetworkInterfaceId" in item:
                continue
            item["SubnetId"] = item.get("SubnetId") or subnet_id or self._default_subnet()
            item["Groups"] = item.get("Groups") or groups
            item.setdefault("DeleteOnTermination", True)
            self._check_network(item)

    def _default_subnet(self) -> str:
        filters = [{"Name": "default-for-az", "Values": ["true"]}]
        zone = self.asked["Placement"].get("AvailabilityZone")
        if zone:
            filters.append({"Name": "availability-zone", "Values": [zone]})
        subnets = self._call("DescribeSubnets", Filters=filters)["Subnets"]
        if not subnets:
            raise AwsError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
        return str(min(subnets, key=lambda item: item["AvailabilityZone"])["SubnetId"])

    def _check_network(self, interface: dict[str, Any]) -> None:
        subnet = self._call("DescribeSubnets", SubnetIds=[interface["SubnetId"]])["Subnets"][0]
        if subnet["AvailableIpAddressCount"] < self.addresses:
            raise AwsError(
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.",
            )
        if asked_addresses(interface) and self.asked["MaxCount"] > 1:
            message = "A private IP address can be specified only when a single instance is launched."
            raise AwsError("InvalidParameterCombination", message)
        if not interface["Groups"]:
            return
        for group in self._call("DescribeSecurityGroups", GroupIds=interface["Groups"])["SecurityGroups"]:
            if group.get("VpcId") != subnet["VpcId"]:
                pair = f"Security group {group['GroupId']} and subnet {interface['SubnetId']}"
                raise AwsError("InvalidParameter", f"{pair} belong to different networks.")

    def _volumes(self) -> None:
        for item in self.asked.get("BlockDeviceMappings", []):
            if "Ebs" in item:
                item["Ebs"] = {"VolumeSize": 8, "DeleteOnTermination": True, **item["Ebs"]}

    def _public_key(self, name: str | None) -> str | None:
        if not name:
            return None
        try:
            pairs = self._call("DescribeKeyPairs", KeyNames=[name], IncludePublicKey=True)["KeyPairs"]
        except AwsError as problem:
            raise AwsError(problem.code, f"The key pair '{name}' does not exist") from None
        return pairs[0]["PublicKey"].strip()

    def _profile_name(self) -> str | None:
        name = self._profile.get("Name") or self._profile.get("Arn", "").rpartition("/")[2]
        if not name:
            return None
        try:
            self._backend.call("iam", "GetInstanceProfile", {"InstanceProfileName": name}, self._region)
        except AwsError:
            raise AwsError(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
            ) from None
        return name


def fit(shape: Shape, value: Any) -> Any:
    """The part of a value that a shape has members for."""
    if isinstance(shape, StructureShape):
        return {
            key: fit(shape.members[key], item)
            for key, item in value.items()
            if key in shape.members and item is not None
        }
    if isinstance(shape, ListShape):
        return [fit(shape.member, item) for item in value]
    return value


def _user_data(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded)
    except binascii.Error:
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(data) > _USER_DATA_LIMIT:
        raise AwsError("InvalidParameterValue", f"User data is limited to {_USER_DATA_LIMIT} bytes")
    return data
