from __future__ import annotations

import math

import pytest
from dlengine import EngineError
from dlengine.train import schedule
from hypothesis import given
from hypothesis import strategies as st

PARTS = [0.0, 0.1, 0.25, 0.4999, 0.5, 0.7501, 0.8, 0.9, 1.0]


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("constant", lambda t: 1.0),
        ("cosine", lambda t: (1 + math.cos(math.pi * t)) / 2),
        (schedule.cosine(end=0.1), lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t)) / 2),
        ("step", lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01),
        (schedule.step(at=(0.25,), factor=0.5), lambda t: 1.0 if t < 0.25 else 0.5),
        ("polynomial", lambda t: 1 - t),
        (schedule.polynomial(power=2, end=0.2), lambda t: 0.2 + 0.8 * (1 - t) ** 2),
        (schedule.build("wsd", 0.0), lambda t: 1 - math.sqrt(max(0, t - 0.8) / 0.2)),
        (schedule.build(schedule.wsd(decay=0.5), 0.0), lambda t: 1 - math.sqrt(max(0, t - 0.5) / 0.5)),
    ],
)
def test_curves_are_their_formulas(curve, expected):
    factor = schedule.build(curve, None)
    assert [factor(part) for part in PARTS] == pytest.approx([expected(part) for part in PARTS], abs=1e-6)


@given(st.sampled_from(sorted(schedule.NAMED)), st.floats(0.01, 0.45), st.floats(0, 1))
def test_every_curve_rises_through_its_warm_up_and_stays_between_0_and_1(name, warmup, part):
    factor = schedule.build(name, warmup)
    assert factor(0) == pytest.approx(1 / 25)
    assert factor(warmup * part) <= factor(warmup * min(1, part + 0.01)) + 1e-12
    assert factor(warmup) == pytest.approx(1.0)
    assert 0 <= factor(part) <= 1


def test_one_cycle_and_wsd_warm_up_by_themselves():
    assert schedule.build("one-cycle", None)(0.15) == pytest.approx((1 + 1 / 25) / 2)
    assert schedule.build("wsd", None)(0.025) == pytest.approx((1 + 1 / 25) / 2)
    assert schedule.build("one-cycle", 0.0)(0.0) == 1


def test_a_checkpoint_tells_curves_apart_by_their_numbers():
    assert schedule.describe("cosine") == schedule.describe(schedule.cosine()) == "cosine"
    assert schedule.describe(schedule.step(at=(0.5,))) == "step(at=(0.5,), factor=0.1)"
    assert schedule.describe(schedule.wsd(0.1)) != schedule.describe("wsd")


def test_schedules_that_cannot_be_are_refused():
    with pytest.raises(EngineError, match="did you mean 'cosine'"):
        schedule.build("cosin", None)
    with pytest.raises(EngineError, match="unknown schedule 3"):
        schedule.build(3, None)
    with pytest.raises(EngineError, match="parts of the run"):
        schedule.step(at=(30, 60))
    with pytest.raises(EngineError, match="decay=2"):
        schedule.wsd(2)
