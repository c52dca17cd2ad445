"""Instance types, prices and machine images: data beside the code, read when first asked for."""

from __future__ import annotations

from dlcluster.catalog.images import Image, image, images
from dlcluster.catalog.instances import InstanceType, instance_type, instance_types, looks_like_a_type
from dlcluster.catalog.nearest import nearest
from dlcluster.catalog.prices import RegionalPrices, price, price_regions, regional_prices
from dlcluster.catalog.table import SNAPSHOT

__all__ = [
    "SNAPSHOT",
    "Image",
    "InstanceType",
    "RegionalPrices",
    "image",
    "images",
    "instance_type",
    "instance_types",
    "looks_like_a_type",
    "nearest",
    "price",
    "price_regions",
    "regional_prices",
]
