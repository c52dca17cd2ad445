"""Capacity reservations and flow logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, missing_is_fine, names, tag_list
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged


class CapacityReservation(Kind):
    name = "AWS::EC2::CapacityReservation"
    properties = names(
        "AvailabilityZone AvailabilityZoneId EbsOptimized EndDate EndDateType EphemeralStorage InstanceCount "
        "InstanceMatchCriteria InstancePlatform InstanceType PlacementGroupArn TagSpecifications Tenancy"
    )
    mutable = names("EndDate EndDateType InstanceCount InstanceMatchCriteria TagSpecifications")
    volatile = names("AvailableInstanceCount TotalInstanceCount")
    tag_property = "TagSpecifications"

    def own_tags(self, properties: Mapping[str, Any]) -> dict[str, str]:
        """The tags of all specifications."""
        rows = [tag for item in properties.get("TagSpecifications") or [] for tag in item.get("Tags") or []]
        return {str(tag["Key"]): str(tag["Value"]) for tag in rows}

    def create(self, x: Step) -> None:
        request = x.only(*(self.properties - {"TagSpecifications"}))
        tags = tagged(x, "capacity-reservation")
        answer = x.call("ec2", "create_capacity_reservation", **request, TagSpecifications=tags)
        x.made(answer["CapacityReservation"]["CapacityReservationId"])

    def update(self, x: Step) -> None:
        if x.changed - {"TagSpecifications"}:
            request = x.only("EndDate", "EndDateType", "InstanceCount", "InstanceMatchCriteria")
            x.call("ec2", "modify_capacity_reservation", CapacityReservationId=x.physical_id, **request)
        if "TagSpecifications" in x.changed:
            retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        try:
            with missing_is_fine():
                x.call("ec2", "cancel_capacity_reservation", CapacityReservationId=x.physical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidCapacityReservationState":
                raise

    def attribute(self, x: Step, name: str) -> Any:
        if name == "Id":
            return x.physical_id
        found = x.call("ec2", "describe_capacity_reservations", CapacityReservationIds=[x.physical_id])
        value = found["CapacityReservations"][0].get(name)
        return value.isoformat() if hasattr(value, "isoformat") else value


class FlowLog(Kind):
    name = "AWS::EC2::FlowLog"
    properties = names(
        "DeliverLogsPermissionArn LogDestination LogDestinationType LogFormat LogGroupName MaxAggregationInterval "
        "ResourceId ResourceType TrafficType Tags"
    )
    mutable = names("Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_flow_logs",
            ResourceIds=[x.get("ResourceId")],
            **x.only(*(self.properties - {"ResourceId", "Tags"})),
            TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tag_list(x.tags)}] if x.tags else None,
        )
        for failure in answer.get("Unsuccessful", []):
            raise Failed(failure["Error"]["Message"])
        x.made(answer["FlowLogIds"][0])

    def update(self, x: Step) -> None:
        retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_flow_logs", FlowLogIds=[x.physical_id])

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None
