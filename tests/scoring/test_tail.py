"""The tail of normal scores, and how rates of windows and of recordings hang together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asd.scoring.tail import Tail, any_above, of_recording, of_window


@given(st.floats(1e-4, 0.99), st.integers(1, 1000))
def test_rates_of_windows_and_of_recordings(rate: float, windows: int) -> None:
    assert of_recording(of_window(rate, windows), windows) == pytest.approx(rate, rel=1e-9)
    assert of_window(rate, windows) <= rate


@pytest.mark.parametrize(("count", "windows"), [(1, 1), (4, 1), (3, 2), (5, 3)])
def test_ranks_against_counting(count: int, windows: int) -> None:
    """Of exchangeable scores every choice of ranks for the windows is as likely as another."""
    ranks = range(count + windows)
    for k in range(count + 1):
        choices = list(combinations(ranks, windows))
        above = 0
        for of_windows in choices:
            of_clips = sorted(set(ranks) - set(of_windows))
            above += k > 0 and max(of_windows) > of_clips[-k]
        assert any_above(count, windows)[k] == pytest.approx(above / len(choices), abs=1e-12)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=60),
    st.floats(1e-6, 0.9),
    st.floats(1e-6, 0.9),
)
def test_levels_rise_as_rates_fall(values: list[float], one: float, other: float) -> None:
    tail = Tail.of(np.array(values))
    low, high = sorted([tail.level(one), tail.level(other)])
    assert low == tail.level(max(one, other))
    assert high == tail.level(min(one, other))
    if np.isfinite(low) and tail.excess > 1e-6 * np.abs(values).max():
        assert tail.rate(low) == pytest.approx(max(one, other), rel=1e-3)


def test_the_level_of_an_exponential_tail() -> None:
    scores = np.random.default_rng(0).exponential(size=20_000)
    level = Tail.of(scores).level(1e-4)
    # 4000 scores: their mean excess is within 5 % (three standard errors), times log(2000).
    assert level == pytest.approx(stats.expon.isf(1e-4), abs=0.05 * np.log(2000))


def test_scores_that_are_all_the_same() -> None:
    tail = Tail.of(np.full(9, 2.5))
    assert (tail.level(0.01), tail.rate(2.5), tail.rate(2.6)) == (2.5, tail.share, 0.0)
