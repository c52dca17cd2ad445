"""Instances."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, is_missing, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_compute import decoded_user_data
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged

_SAME = (
    "ImageId", "InstanceType", "KeyName", "SubnetId", "SecurityGroupIds", "SecurityGroups", "BlockDeviceMappings",
    "LaunchTemplate", "MetadataOptions", "EbsOptimized", "DisableApiTermination", "PrivateIpAddress",
    "InstanceInitiatedShutdownBehavior", "CpuOptions",
)  # fmt: skip
_WHILE_STOPPED = ("InstanceType", "UserData", "EbsOptimized")
_MODIFIED = ("DisableApiTermination", "InstanceInitiatedShutdownBehavior", "SourceDestCheck")
_DESCRIBED = {
    "InstanceId": "InstanceId",
    "PrivateIp": "PrivateIpAddress",
    "PublicIp": "PublicIpAddress",
    "PrivateDnsName": "PrivateDnsName",
    "PublicDnsName": "PublicDnsName",
    "VpcId": "VpcId",
    "SubnetId": "SubnetId",
}


class Instance(Kind):
    name = "AWS::EC2::Instance"
    properties = names(
        " ".join(_SAME) + " UserData IamInstanceProfile NetworkInterfaces Monitoring PlacementGroupName Tenancy "
        "AvailabilityZone SourceDestCheck CreditSpecification PropagateTagsToVolumeOnCreation Tags"
    )
    mutable = names(
        "SecurityGroupIds IamInstanceProfile MetadataOptions Monitoring Tags "
        + " ".join(_WHILE_STOPPED)
        + " "
        + " ".join(_MODIFIED)
    )
    volatile = names("PublicIp PublicDnsName")

    def create(self, x: Step) -> None:
        answer = x.call("ec2", "run_instances", MinCount=1, MaxCount=1, **self._request(x))
        x.made(answer["Instances"][0]["InstanceId"])
        if "SourceDestCheck" in x.properties:
            self._modify(x, "SourceDestCheck")
        self._running(x)

    def _request(self, x: Step) -> dict[str, Any]:
        profile, data = x.get("IamInstanceProfile"), x.get("UserData")
        credit = x.get("CreditSpecification")
        placement = {
            "GroupName": x.get("PlacementGroupName"),
            "Tenancy": x.get("Tenancy"),
            "AvailabilityZone": x.get("AvailabilityZone"),
        }
        placement = {name: value for name, value in placement.items() if value}
        return {
            **x.only(*_SAME),
            "NetworkInterfaces": [_interface(item) for item in x.get("NetworkInterfaces") or []] or None,
            "IamInstanceProfile": {"Name": profile} if profile else None,
            "UserData": decoded_user_data(str(data)) if data else None,  # boto3 encodes it
            "Monitoring": {"Enabled": x.flag("Monitoring")} if "Monitoring" in x.properties else None,
            "Placement": placement or None,
            "CreditSpecification": {"CpuCredits": credit["CPUCredits"]} if credit else None,
            "TagSpecifications": self._tags(x),
        }

    @staticmethod
    def _tags(x: Step) -> list[dict[str, Any]] | None:
        kinds = ["instance", *(["volume"] if x.flag("PropagateTagsToVolumeOnCreation") else [])]
        return [row for kind in kinds for row in tagged(x, kind) or []] or None

    def _describe(self, x: Step) -> dict[str, Any]:
        try:
            answer = x.call("ec2", "describe_instances", InstanceIds=[x.physical_id])
        except ClientError as error:
            if is_missing(error):
                return {}
            raise
        found = [item for reservation in answer["Reservations"] for item in reservation["Instances"]]
        return found[0] if found else {}

    def _running(self, x: Step) -> None:
        x.wait(lambda: self._is_running(x), f"instance {x.physical_id} running", seconds=3600)

    def _is_running(self, x: Step) -> bool:
        instance = self._describe(x)
        state = instance.get("State", {}).get("Name", "terminated")
        if state in ("shutting-down", "terminated"):
            reason = instance.get("StateReason", {}).get("Message", "")
            raise Failed(f"Instance {x.physical_id} failed to reach the running state: {state} {reason}".rstrip())
        return bool(state == "running")

    def _stopped(self, x: Step) -> bool:
        return bool(self._describe(x).get("State", {}).get("Name") == "stopped")

    def update(self, x: Step) -> None:
        for name in x.changed.intersection(_MODIFIED):
            self._modify(x, name)
        if "SecurityGroupIds" in x.changed:
            x.call("ec2", "modify_instance_attribute", InstanceId=x.physical_id, Groups=x.get("SecurityGroupIds"))
        if "MetadataOptions" in x.changed:
            options = x.get("MetadataOptions") or {}
            x.call("ec2", "modify_instance_metadata_options", InstanceId=x.physical_id, **options)
        if "Monitoring" in x.changed:
            operation = "monitor_instances" if x.flag("Monitoring") else "unmonitor_instances"
            x.call("ec2", operation, InstanceIds=[x.physical_id])
        if "IamInstanceProfile" in x.changed:
            self._profile(x)
        if x.changed.intersection(_WHILE_STOPPED):
            self._restart_with(x)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def _modify(self, x: Step, name: str) -> None:
        defaults = {"InstanceInitiatedShutdownBehavior": "stop", "SourceDestCheck": True}
        value = {"Value": x.get(name, defaults.get(name, False))}
        x.call("ec2", "modify_instance_attribute", InstanceId=x.physical_id, **{name: value})

    def _profile(self, x: Step) -> None:
        filters = [{"Name": "instance-id", "Values": [x.physical_id]}]
        answer = x.call("ec2", "describe_iam_instance_profile_associations", Filters=filters)
        for item in answer["IamInstanceProfileAssociations"]:
            x.call("ec2", "disassociate_iam_instance_profile", AssociationId=item["AssociationId"])
        if x.get("IamInstanceProfile"):
            profile = {"Name": x.get("IamInstanceProfile")}
            x.call("ec2", "associate_iam_instance_profile", InstanceId=x.physical_id, IamInstanceProfile=profile)

    def _restart_with(self, x: Step) -> None:
        """Some things change only while an instance is stopped; CloudFormation stops and starts it."""
        x.call("ec2", "stop_instances", InstanceIds=[x.physical_id])
        x.wait(lambda: self._stopped(x), f"instance {x.physical_id} stopped")
        for name in x.changed.intersection(_WHILE_STOPPED):
            value = decoded_user_data(str(x.get(name, ""))) if name == "UserData" else x.get(name)
            x.call("ec2", "modify_instance_attribute", InstanceId=x.physical_id, **{name: {"Value": value}})
        x.call("ec2", "start_instances", InstanceIds=[x.physical_id])
        self._running(x)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "terminate_instances", InstanceIds=[x.physical_id])
        x.wait(lambda: self._gone(x), f"instance {x.physical_id} terminated", seconds=3600)

    def _gone(self, x: Step) -> bool:
        return bool(self._describe(x).get("State", {}).get("Name", "terminated") == "terminated")

    def attribute(self, x: Step, name: str) -> Any:
        if name in _DESCRIBED:
            return self._describe(x).get(_DESCRIBED[name], "")
        if name == "AvailabilityZone":
            return self._describe(x)["Placement"]["AvailabilityZone"]
        return super().attribute(x, name)


def _interface(item: dict[str, Any]) -> dict[str, Any]:
    """A network interface of a template as RunInstances takes it."""
    renamed = {"GroupSet": "Groups"}
    return {renamed.get(name, name): value for name, value in item.items()}
