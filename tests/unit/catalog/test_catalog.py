"""The catalog: instance types, prices, images."""

from __future__ import annotations

import pytest

from dlcluster import catalog


def test_a_gpu_type_is_known_with_cards_and_efa():
    p5 = catalog.instance_type("p5.48xlarge")
    assert (p5.gpus, p5.gpu_name, p5.network_cards, p5.efa_interfaces) == (8, "H100", 32, 32)
    assert (p5.efa, p5.spot, p5.capacity_blocks, p5.architecture) == (True, True, True, "x86_64")


def test_every_type_is_well_formed():
    for name, kind in catalog.instance_types().items():
        assert catalog.looks_like_a_type(name)
        assert kind.architecture in ("x86_64", "arm64")
        assert kind.usage_classes <= {"on-demand", "spot", "capacity-block"}
        assert 0 <= kind.efa_interfaces <= kind.network_cards
        assert bool(kind.gpus) == bool(kind.gpu_name)


def test_an_unknown_type_is_none_and_has_a_nearest_name():
    assert catalog.instance_type("p5.48xlrage") is None
    assert catalog.nearest("p5.48xlrage", catalog.instance_types()) == "p5.48xlarge"
    assert catalog.nearest("qqqq", catalog.instance_types()) is None


@pytest.mark.parametrize("name", ["m5.large", "u-6tb1.metal", "c7i-flex.8xlarge", "m7i.metal-24xl"])
def test_names_that_ec2_could_have(name):
    assert catalog.looks_like_a_type(name)


@pytest.mark.parametrize("name", ["", "p5", "p5.48xlrage", "P5.48xlarge", "p5.", "p5.48xlarge "])
def test_names_that_ec2_could_not_have(name):
    assert not catalog.looks_like_a_type(name)


def test_prices_by_region_and_market():
    assert catalog.price("t3.medium", "us-east-1") == pytest.approx(0.0416)
    assert 0 < catalog.price("c7i.xlarge", "us-east-1", spot=True) < catalog.price("c7i.xlarge", "us-east-1")


def test_an_unknown_price_is_none_and_never_zero():
    assert catalog.price("p5.48xlarge", "sa-east-1") is None
    assert catalog.price("no.such", "us-east-1") is None
    assert catalog.regional_prices("sa-east-1") == catalog.RegionalPrices(None, None, None, None)
    known = [catalog.price(name, region) for name in catalog.instance_types() for region in catalog.price_regions(name)]
    assert min(known) > 0


def test_regions_of_a_price_come_cheapest_first():
    regions = catalog.price_regions("g5.xlarge")
    prices = [catalog.price("g5.xlarge", region) for region in regions]
    assert prices == sorted(prices)
    assert len(regions) > 3


def test_images_name_a_parameter_of_their_architecture():
    for name, image in catalog.images().items():
        assert image.name == name
        assert image.ssm_parameter.startswith("/aws/service/")
        assert any(part in image.ssm_parameter for part in ("x86_64", "amd64")) == (image.architecture == "x86_64")
        assert image.python.startswith("/")
    assert catalog.image("dlami-pytorch").python == "/opt/pytorch/bin/python"
    assert catalog.image("windows") is None
