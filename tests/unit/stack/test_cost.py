"""What an hour costs."""

from __future__ import annotations

import pytest

from dlcluster.config import parse_cluster
from dlcluster.stack import hourly_cost, total_cost


def test_every_part_is_a_line_and_the_lines_add_up():
    lines = hourly_cost(parse_cluster("workers: {count: 3, disk_gib: 200}"))
    cost = {line.item: (line.count, line.usd_hour) for line in lines}
    assert cost["worker c7i.xlarge"] == (3, pytest.approx(3 * 0.1785))
    assert cost["GiB of gp3 disk"] == (700, pytest.approx(700 * 0.08 / 730))
    assert total_cost(lines) == pytest.approx(0.0416 + 3 * 0.1785 + 700 * 0.08 / 730 + 0.045 + 2 * 0.005)


def test_spot_is_priced_as_spot():
    [line] = [line for line in hourly_cost(parse_cluster("workers: {spot: true}")) if "worker" in line.item]
    assert line.item == "worker c7i.xlarge spot"
    assert 0 < line.usd_hour < 2 * 0.1785


def test_one_unknown_price_makes_the_total_unknown():
    lines = hourly_cost(parse_cluster("region: ap-south-1"))
    assert [line.usd_hour is None for line in lines] == [False, False, True, True, True]
    assert total_cost(lines) is None
