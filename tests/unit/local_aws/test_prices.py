"""Spot prices and on-demand prices are those of the catalog."""

from __future__ import annotations

import json
from typing import Any

from dlcluster.catalog import price


def test_spot_prices_are_the_catalogs(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    asked = {"InstanceTypes": ["g5.xlarge", "p5.48xlarge"], "ProductDescriptions": ["Linux/UNIX"]}
    pages = ec2.get_paginator("describe_spot_price_history").paginate(**asked, PaginationConfig={"PageSize": 5})
    rows = [row for part in pages for row in part["SpotPriceHistory"]]
    assert {(row["InstanceType"], float(row["SpotPrice"])) for row in rows} == {
        (kind, price(kind, "us-east-1", spot=True)) for kind in asked["InstanceTypes"]
    }
    assert len(rows) == len({(row["InstanceType"], row["AvailabilityZone"]) for row in rows}) > 6
    zone = [{"Name": "availability-zone", "Values": ["us-east-1b"]}]
    found = ec2.describe_spot_price_history(InstanceTypes=["g5.xlarge"], Filters=zone)["SpotPriceHistory"]
    assert [row["AvailabilityZone"] for row in found] == ["us-east-1b"]
    assert ec2.describe_spot_price_history(ProductDescriptions=["Windows"])["SpotPriceHistory"] == []


def test_on_demand_prices_are_the_catalogs(cloud: Any) -> None:
    fields = {"instanceType": "g5.xlarge", "regionCode": "eu-west-1", "operatingSystem": "Linux", "tenancy": "Shared"}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    found = cloud.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
    assert len(found) == 1
    term = next(iter(json.loads(found[0])["terms"]["OnDemand"].values()))
    usd = next(iter(term["priceDimensions"].values()))["pricePerUnit"]["USD"]
    assert float(usd) == price("g5.xlarge", "eu-west-1")


def test_the_baked_prices_are_those_of_the_catalog() -> None:
    from dlcluster.local.aws.prices import prices

    baked = prices()
    assert sum(map(len, baked.values())) > 400
    for region, kinds in baked.items():
        for kind, pair in kinds.items():
            assert pair == (price(kind, region), price(kind, region, spot=True))
