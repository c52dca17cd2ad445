"""What EC2 costs: spot price history, and the Price List service for Linux instances, out of `prices.json`.

A snapshot for rehearsals (`scripts/bake_prices.py`); a type without a known price has no row, as one that is not sold.
"""

from __future__ import annotations

import functools
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.query import AwsError, Context, QueryService, page

_LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
_LOCATIONS = {
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ca-central-1": "Canada (Central)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-west-1": "EU (Ireland)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}


@functools.cache
def prices() -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """USD per hour, on demand and spot (None: not known), by region and instance type."""
    found = json.loads((Path(__file__).parent / "prices.json").read_text())
    return {region: {kind: tuple(pair) for kind, pair in kinds.items()} for region, kinds in found.items()}


class SpotPrices(QueryService):
    """DescribeSpotPriceHistory: one price per type, the same in every zone and at all times."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("ec2")
        self._backend: Backend = emulator.backend

    def describe_spot_price_history(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params.get("ProductDescriptions") and not set(params["ProductDescriptions"]) & set(_LINUX):
            return {"SpotPriceHistory": []}
        zones = self._backend.call("ec2", "DescribeAvailabilityZones", {}, context.region)["AvailabilityZones"]
        rows = [
            {
                "AvailabilityZone": zone["ZoneName"],
                "InstanceType": kind,
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": f"{spot:.6f}",
                "Timestamp": datetime.now(UTC).replace(minute=0, second=0, microsecond=0),
            }
            for kind, (_, spot) in prices().get(context.region, {}).items()
            for zone in zones
            if spot is not None
        ]
        chosen = [row for row in rows if _is_asked(row, params)]
        limit = params.get("MaxResults") or 1000
        found, token = page(
            chosen, lambda row: f"{row['InstanceType']} {row['AvailabilityZone']}", params.get("NextToken"), limit
        )
        return {"SpotPriceHistory": found, "NextToken": token or ""}


def _is_asked(row: dict[str, Any], params: dict[str, Any]) -> bool:
    if params.get("InstanceTypes") and row["InstanceType"] not in params["InstanceTypes"]:
        return False
    if params.get("AvailabilityZone") not in (None, row["AvailabilityZone"]):
        return False
    fields = {"availability-zone": "AvailabilityZone", "instance-type": "InstanceType", "spot-price": "SpotPrice"}
    fields["product-description"] = "ProductDescription"
    for item in params.get("Filters", []):
        if item["Name"] not in fields:
            raise AwsError("InvalidParameterValue", f"The filter '{item['Name']}' is invalid")
        if row[fields[item["Name"]]] not in item["Values"]:
            return False
    return True


class PriceList(QueryService):
    """GetProducts of Amazon EC2: Linux on shared hardware, on demand."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("pricing")

    def get_products(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params["ServiceCode"] != "AmazonEC2":
            message = f"The prices of {params['ServiceCode']} are not emulated."
            raise AwsError("NotFoundException", message)
        wanted = {item["Field"]: item["Value"] for item in params.get("Filters", [])}
        rows = [
            product
            for region, kinds in sorted(prices().items())
            for kind, (on_demand, _) in kinds.items()
            if on_demand is not None
            for product in [_product(region, kind, on_demand)]
            if all(product["product"]["attributes"].get(field) == value for field, value in wanted.items())
        ]
        found, token = page(
            rows, lambda row: str(row["product"]["sku"]), params.get("NextToken"), params.get("MaxResults", 100)
        )
        lines = [json.dumps(row) for row in found]
        return {"FormatVersion": "aws_v1", "PriceList": lines, **({"NextToken": token} if token else {})}


def _product(region: str, kind: str, usd: float) -> dict[str, Any]:
    sku = hashlib.sha256(f"{region} {kind}".encode()).hexdigest()[:16].upper()
    attributes = {
        "capacitystatus": "Used",
        "instanceType": kind,
        "licenseModel": "No License required",
        "location": _LOCATIONS.get(region, region),
        "locationType": "AWS Region",
        "marketoption": "OnDemand",
        "operatingSystem": "Linux",
        "operation": "RunInstances",
        "preInstalledSw": "NA",
        "regionCode": region,
        "servicecode": "AmazonEC2",
        "tenancy": "Shared",
        "usagetype": f"BoxUsage:{kind}",
    }
    rate = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${usd} per On Demand Linux {kind} Instance Hour",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    term = {"sku": sku, "offerTermCode": "JRTCKXETXF", "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": rate}}
    return {
        "product": {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
    }
