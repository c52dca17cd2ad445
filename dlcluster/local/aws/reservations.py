"""Capacity reservations and capacity blocks, held inert: no instance is counted against one.

An offering of a capacity block carries no fee: prices are not known here.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.placement import matches, tags_for
from dlcluster.local.aws.query import AwsError, Context, QueryService, page

PAGE = 100
BLOCK_FAMILIES = ("p4d", "p4de", "p5", "p5e", "p5en", "p6", "trn1", "trn2")
_HOURS = (*range(24, 337, 24), *range(504, 4369, 168))  # 1 to 14 days, then whole weeks up to 26
_GONE = ("cancelled", "expired")
_FILTERS = {
    "instance-type": "InstanceType",
    "owner-id": "OwnerId",
    "instance-platform": "InstancePlatform",
    "availability-zone": "AvailabilityZone",
    "tenancy": "Tenancy",
    "state": "State",
    "end-date-type": "EndDateType",
    "instance-match-criteria": "InstanceMatchCriteria",
    "placement-group-arn": "PlacementGroupArn",
}


@dataclass
class _Reservation:
    region: str
    token: str
    row: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """The row with what time has made of it."""
        now, row = datetime.now(UTC), dict(self.row)
        if row["State"] not in _GONE:
            ended = row.get("EndDate") is not None and row["EndDate"] <= now
            row["State"] = "expired" if ended else "active" if row["StartDate"] <= now else "scheduled"
        return row


class CapacityReservations(QueryService):
    """On-demand capacity reservations, and capacity blocks for machine learning."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend
        self._lock = threading.RLock()
        self._reservations: dict[str, _Reservation] = {}
        self._offers: dict[str, dict[str, Any]] = {}
        _make_taggable()

    def create_capacity_reservation(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        token = params.get("ClientToken") or secrets.token_hex(16)
        if params["InstanceCount"] < 1:
            raise AwsError("InvalidParameterValue", "The instance count must be at least 1.")
        ends = params.get("EndDateType", "unlimited")
        if (ends == "limited") != ("EndDate" in params):
            raise AwsError("InvalidParameterCombination", "EndDate is required if EndDateType is limited, and not "
                           "allowed otherwise.")  # fmt: skip
        zone = self._zone(params, context.region)
        self._check_type(params["InstanceType"], context.region)
        with self._lock:
            for item in self._reservations.values():
                if item.token == token and item.region == context.region:
                    return {"CapacityReservation": self._described(item)}
            row = {
                **self._common(params, zone, context),
                "EndDateType": ends,
                "EndDate": params.get("EndDate"),
                "InstanceMatchCriteria": params.get("InstanceMatchCriteria", "open"),
                "PlacementGroupArn": params.get("PlacementGroupArn"),
                "ReservationType": "default",
            }
            return {"CapacityReservation": self._add(row, params, token, context.region)}

    def _common(self, params: dict[str, Any], zone: dict[str, Any], context: Context) -> dict[str, Any]:
        now = datetime.now(UTC)
        reservation_id = f"cr-{secrets.token_hex(9)[:17]}"
        return {
            "CapacityReservationId": reservation_id,
            "OwnerId": context.account_id,
            "CapacityReservationArn": f"arn:aws:ec2:{context.region}:{context.account_id}:capacity-reservation/"
            f"{reservation_id}",
            "AvailabilityZone": zone["ZoneName"],
            "AvailabilityZoneId": zone["ZoneId"],
            "InstanceType": params["InstanceType"],
            "InstancePlatform": params["InstancePlatform"],
            "Tenancy": params.get("Tenancy", "default"),
            "TotalInstanceCount": params["InstanceCount"],
            "AvailableInstanceCount": params["InstanceCount"],
            "EbsOptimized": params.get("EbsOptimized", False),
            "EphemeralStorage": params.get("EphemeralStorage", False),
            "State": "active",
            "StartDate": now,
            "CreateDate": now,
        }

    def _add(self, row: dict[str, Any], params: dict[str, Any], token: str, region: str) -> dict[str, Any]:
        item = _Reservation(region, token, row)
        self._reservations[row["CapacityReservationId"]] = item
        tags = tags_for("capacity-reservation", params.get("TagSpecifications", []))
        with self._backend.lock:
            self._backend.ec2(region).create_tags([row["CapacityReservationId"]], tags)
        return self._described(item)

    def describe_capacity_reservations(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            rows = [self._described(item) for item in self._reservations.values() if item.region == context.region]
            wanted = params.get("CapacityReservationIds") or []
            for reservation_id in wanted:
                self._find(reservation_id, context.region)
        chosen = [
            row
            for row in rows
            if (not wanted or row["CapacityReservationId"] in wanted)
            and all(_passes(row, condition) for condition in params.get("Filters", []))
        ]
        found, token = page(chosen, _identity, params.get("NextToken"), params.get("MaxResults") or PAGE)
        return {"CapacityReservations": found, "NextToken": token}

    def modify_capacity_reservation(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            row = self._changeable(params["CapacityReservationId"], context.region).row
            count = params.get("InstanceCount", row["TotalInstanceCount"])
            row["TotalInstanceCount"] = row["AvailableInstanceCount"] = count
            row.update({name: params[name] for name in ("EndDate", "InstanceMatchCriteria") if name in params})
            row["EndDateType"] = params.get("EndDateType", "limited" if "EndDate" in params else row["EndDateType"])
            if row["EndDateType"] == "unlimited":
                row["EndDate"] = None
        return {"Return": True}

    def cancel_capacity_reservation(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            row = self._changeable(params["CapacityReservationId"], context.region).row
            row["State"], row["TotalInstanceCount"], row["AvailableInstanceCount"] = "cancelled", 0, 0
        return {"Return": True}

    # -- capacity blocks --------------------------------------------------------------------------------

    def describe_capacity_block_offerings(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """One offering, from tomorrow 11:30 UTC or the earliest day that was asked for."""
        kind, hours = params.get("InstanceType"), params["CapacityDurationHours"]
        if not kind or kind.split(".")[0].split("-")[0] not in BLOCK_FAMILIES:
            raise AwsError("InvalidParameterValue", f"The instance type {kind} is not supported for Capacity Blocks.")
        if hours not in _HOURS:
            raise AwsError("InvalidParameterValue", f"The capacity duration {hours} is not valid: 1 to 14 days, then "
                           "whole weeks up to 182 days.")  # fmt: skip
        self._check_type(kind, context.region)
        now = datetime.now(UTC)
        earliest = max(params.get("StartDateRange") or now, now)
        start = earliest.astimezone(UTC).replace(hour=11, minute=30, second=0, microsecond=0) + timedelta(days=1)
        end = start + timedelta(hours=hours)
        if params.get("EndDateRange") is not None and end > params["EndDateRange"]:
            return {"CapacityBlockOfferings": []}
        offer = {
            "CapacityBlockOfferingId": f"cbr-{secrets.token_hex(9)[:17]}",
            "InstanceType": kind,
            "AvailabilityZone": self._zone({}, context.region)["ZoneName"],
            "InstanceCount": params.get("InstanceCount", 1),
            "StartDate": start,
            "EndDate": end,
            "CapacityBlockDurationHours": hours,
            "CurrencyCode": "USD",
            "Tenancy": "default",
        }
        with self._lock:
            self._offers[offer["CapacityBlockOfferingId"]] = offer
        return {"CapacityBlockOfferings": [offer]}

    def purchase_capacity_block(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            offer = self._offers.pop(params["CapacityBlockOfferingId"], None)
            if offer is None:
                raise AwsError("InvalidCapacityBlockOfferingId.NotFound",
                               f"The offering {params['CapacityBlockOfferingId']} is not available.")  # fmt: skip
            zone = self._zone({"AvailabilityZone": offer["AvailabilityZone"]}, context.region)
            row = {
                **self._common({**offer, "InstancePlatform": params["InstancePlatform"]}, zone, context),
                "StartDate": offer["StartDate"],
                "EndDate": offer["EndDate"],
                "EndDateType": "limited",
                "InstanceMatchCriteria": "targeted",
                "ReservationType": "capacity-block",
            }
            described = self._add(row, params, offer["CapacityBlockOfferingId"], context.region)
            return {"CapacityReservation": described, "CapacityReservations": [described]}

    # -- finding ----------------------------------------------------------------------------------------

    def _described(self, item: _Reservation) -> dict[str, Any]:
        row = item.described()
        tags = self._backend.ec2(item.region).tags.get(row["CapacityReservationId"], {})
        return {**row, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _find(self, reservation_id: str, region: str) -> _Reservation:
        item = self._reservations.get(reservation_id)
        if item is None or item.region != region:
            raise AwsError("InvalidCapacityReservationId.NotFound",
                           f"The capacity reservation '{reservation_id}' was not found.")  # fmt: skip
        return item

    def _changeable(self, reservation_id: str, region: str) -> _Reservation:
        item = self._find(reservation_id, region)
        if item.row["ReservationType"] == "capacity-block":
            raise AwsError("UnsupportedOperation", "A Capacity Block cannot be modified or cancelled.")
        state = item.described()["State"]
        if state in _GONE:
            raise AwsError("InvalidCapacityReservationState",
                           f"The capacity reservation '{reservation_id}' is in the state {state}.")  # fmt: skip
        return item

    def _zone(self, params: dict[str, Any], region: str) -> dict[str, Any]:
        name, zone_id = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
        for zone in self._backend.call("ec2", "DescribeAvailabilityZones", {}, region)["AvailabilityZones"]:
            if name in (None, zone["ZoneName"]) and zone_id in (None, zone["ZoneId"]):
                return zone
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{name or zone_id}]")

    def _check_type(self, name: str, region: str) -> None:
        self._backend.call("ec2", "DescribeInstanceTypes", {"InstanceTypes": [name]}, region)


def _identity(row: dict[str, Any]) -> str:
    return str(row["CapacityReservationId"])


def _passes(row: dict[str, Any], condition: dict[str, Any]) -> bool:
    name = condition["Name"]
    tags = {tag["Key"]: tag["Value"] for tag in row["Tags"]}
    if name == "tag-key":
        values = list(tags)
    elif name.startswith("tag:"):
        values = [tags[name[4:]]] if name[4:] in tags else []
    elif name in _FILTERS:
        values = [str(row.get(_FILTERS[name]) or "")]
    else:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(matches(pattern, value) for pattern in condition.get("Values", []) for value in values)


def _make_taggable() -> None:
    """Let moto's CreateTags, DeleteTags and DescribeTags accept capacity reservations."""
    from moto.ec2 import utils

    utils.EC2_RESOURCE_TO_PREFIX["capacity-reservation"] = "cr"
    utils.EC2_PREFIX_TO_RESOURCE["cr"] = "capacity-reservation"
