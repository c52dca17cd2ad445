"""How a VPC range is cut into subnets."""

from __future__ import annotations

import pytest

from dlcluster.config.ranges import subnets


@pytest.mark.parametrize(
    ("vpc", "public", "private"),
    [
        ("10.0.0.0/16", "10.0.0.0/24", "10.0.128.0/17"),
        ("127.9.0.0/16", "127.9.0.0/24", "127.9.128.0/17"),
        ("10.1.2.0/24", "10.1.2.0/26", "10.1.2.128/25"),
        ("10.1.2.64/26", "10.1.2.64/28", "10.1.2.96/27"),
    ],
)
def test_the_workers_get_the_upper_half(vpc, public, private):
    assert [str(subnet) for subnet in subnets(vpc)] == [public, private]
