"""The vCPU quotas of EC2, and Service Quotas to read and raise them.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.query import AwsError, Context, QueryService, page

GENEROUS = 100_000.0  # vCPUs; a fresh account of AWS has far less
_FAMILIES = {  # first letters of a type's family: on-demand code, spot code, name
    "dl": ("L-6E869C2A", "L-85EED4F7", "DL"),
    "hpc": ("L-F7808C92", "", "HPC"),
    "inf": ("L-1945791B", "L-B5D1601B", "Inf"),
    "trn": ("L-2C3B7624", "L-6B0D517C", "Trn"),
    "f": ("L-74FC7D96", "L-88CF9481", "F"),
    "g": ("L-DB2E81BA", "L-3819A6DF", "G and VT"),
    "vt": ("L-DB2E81BA", "L-3819A6DF", "G and VT"),
    "p": ("L-417A185B", "L-7212CCBC", "P"),
    "u": ("L-43DA4232", "", "High Memory"),
    "x": ("L-7295265B", "L-E3A00192", "X"),
}
_STANDARD = ("L-1216C47A", "L-34B43A08", "Standard (A, C, D, H, I, M, R, T, Z)")
NAMES = {
    **{codes[0]: f"Running On-Demand {codes[2]} instances" for codes in (_STANDARD, *_FAMILIES.values())},
    **{codes[1]: f"All {codes[2]} Spot Instance Requests" for codes in (_STANDARD, *_FAMILIES.values()) if codes[1]},
}


def quota_code(instance_type: str, market: str) -> str | None:
    """The quota that a launch counts against; None for a market without one (capacity blocks are paid ahead)."""
    if market not in ("on-demand", "spot"):
        return None
    letters = re.match(r"[a-z]+", instance_type)
    found = _FAMILIES.get(letters[0] if letters else "", _STANDARD)
    return found[0 if market == "on-demand" else 1] or None


class Quotas:
    """The applied quotas by region; a test or a rehearsal sets them."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], float] = {}

    def get(self, region: str, code: str) -> float:
        return self._values.get((region, code), GENEROUS)

    def set(self, region: str, code: str, value: float) -> None:
        """Apply a quota. Raises KeyError for a code that EC2 does not have."""
        if code not in NAMES:
            raise KeyError(code)
        self._values[region, code] = value

    def check(self, region: str, code: str, used: int, wanted: int) -> None:
        """Raise AwsError when `wanted` more vCPUs beside the `used` ones are too many."""
        limit = self.get(region, code)
        if used + wanted <= limit:
            return
        if "Spot" in NAMES[code]:
            raise AwsError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        raise AwsError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit:g} allows for the instance "
            "bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )


class ServiceQuotas(QueryService):
    """GetServiceQuota, ListServiceQuotas, their defaults, and RequestServiceQuotaIncrease, granted at once."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("service-quotas")
        self._quotas: Quotas = emulator.quotas

    def get_service_quota(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Quota": self._row(params, context)}

    def get_aws_default_service_quota(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Quota": {**self._row(params, context), "Value": GENEROUS}}

    def list_service_quotas(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._list(params, context, default=False)

    def list_aws_default_service_quotas(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return self._list(params, context, default=True)

    def request_service_quota_increase(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        row, wanted = self._row(params, context), float(params["DesiredValue"])
        if wanted <= row["Value"]:
            message = "You must provide a quota value greater than the current quota value."
            raise AwsError("IllegalArgumentException", message)
        self._quotas.set(context.region, row["QuotaCode"], wanted)
        request = {
            key: row[key] for key in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn", "Unit")
        }
        now = datetime.now(UTC).timestamp()
        request |= {"Id": uuid.uuid4().hex, "DesiredValue": wanted, "Status": "APPROVED", "GlobalQuota": False}
        return {"RequestedQuota": {**request, "Created": now, "LastUpdated": now}}

    def _list(self, params: dict[str, Any], context: Context, *, default: bool) -> dict[str, Any]:
        if params["ServiceCode"] != "ec2":
            raise AwsError("NoSuchResourceException", f"The quotas of {params['ServiceCode']} are not emulated.")
        rows = [self._row({"ServiceCode": "ec2", "QuotaCode": code}, context) for code in sorted(NAMES)]
        if default:
            rows = [{**row, "Value": GENEROUS} for row in rows]
        limit = params.get("MaxResults", 100)
        chosen, token = page(rows, lambda row: str(row["QuotaCode"]), params.get("NextToken"), limit)
        return {"Quotas": chosen, **({"NextToken": token} if token else {})}

    def _row(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        code = params["QuotaCode"]
        if params["ServiceCode"] != "ec2" or code not in NAMES:
            message = "The request failed because the specified service quota does not exist or is not emulated."
            raise AwsError("NoSuchResourceException", message)
        return {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{context.region}:{context.account_id}:ec2/{code}",
            "QuotaCode": code,
            "QuotaName": NAMES[code],
            "Value": self._quotas.get(context.region, code),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
