"""Scales and ticks hold for any range."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.report.axes import Scale, spread, ticks

FINITE = st.floats(-1e12, 1e12, allow_nan=False)


@given(st.lists(st.one_of(FINITE, st.sampled_from([math.nan, math.inf, -math.inf]))))
def test_a_spread_is_never_empty_and_holds_every_finite_value(values: list[float]) -> None:
    low, high = spread(values, margin=0.05)
    assert low < high
    assert all(low <= value <= high for value in values if math.isfinite(value))


@given(FINITE, st.floats(1e-9, 1e12))
def test_ticks_are_in_the_range_evenly_spaced_and_not_too_many(low: float, width: float) -> None:
    high = low + width
    if high - low < abs(low) * 1e-6:
        return  # narrower than what a tick's twelve decimals can tell apart
    found = ticks(low, high, 5)
    assert len(found) <= 6
    slack = 1e-6 * (high - low) + 1e-9
    assert all(low - slack <= value <= high + slack for value in found)
    steps = [after - before for before, after in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=1e-9) for step in steps)


def test_a_scale_maps_its_ends() -> None:
    scale = Scale(-1.0, 3.0, 10.0, 90.0)
    assert (scale(-1.0), scale(1.0), scale(3.0)) == (10.0, 50.0, 90.0)
