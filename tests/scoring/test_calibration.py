"""Thresholds and p-values of recordings of several windows, and the tail of normal scores."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asd.scoring.calibration import Calibration, Tail, any_above, of_recording, of_window
from asd.scoring.thresholds import THRESHOLDS, conformal_p_values, find_threshold

VALUES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)
RATES = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5])
COUNT, LONG = 200, 60


def _alarms(method, common, count=COUNT, windows=LONG):
    """Return the share of normal recordings that alarm, over 100 calibrations of 100 of each.

    Args:
        method: of the threshold.
        common: the share of the variance that the windows of a recording have in common.
        count: training clips, of one window each.
        windows: of each recording.
    """
    random = np.random.default_rng(7)
    found = []
    for _ in range(100):
        calibration = Calibration(np.exp(0.4 * random.normal(size=count)), method, 0.1)
        of_recording = np.sqrt(common) * random.normal(size=(100, 1))
        own = np.sqrt(1 - common) * random.normal(size=(100, windows))
        scores = np.exp(0.4 * (of_recording + own)).max(axis=1)
        found.append((scores > calibration.threshold(windows).value).mean())
    return float(np.mean(found))


@pytest.mark.parametrize("method", sorted(THRESHOLDS))
@pytest.mark.parametrize("common", [0.0, 0.5])
def test_the_rate_is_that_of_recordings(method, common):
    """Ten percent are asked for; a window's own threshold gives more than 60."""
    # 100 calibrations of a deviation below 0.1: three standard errors are 0.03.
    assert _alarms(method, common) <= 0.13
    assert _alarms(method, common, windows=1) <= 0.13


def test_an_exact_rank_gives_the_rate_that_it_guarantees():
    guaranteed = Calibration(np.arange(600.0), "conformal", 0.1).threshold(LONG).guaranteed
    assert guaranteed == pytest.approx(60 / 660)
    # Deviation 0.09 over 100 calibrations: three standard errors.
    assert _alarms("conformal", 0.0, count=600) == pytest.approx(guaranteed, abs=0.03)
    assert _alarms("conformal", 0.5, count=600) <= guaranteed


@given(VALUES, RATES, st.floats(-1e6, 1e6))
def test_one_window_is_as_ever(values, rate, score):
    scores = np.array(values)
    for method in THRESHOLDS:
        one = Calibration(scores, method, rate)
        assert one.threshold() == find_threshold(method, scores, rate)
        mean = one.pooled("mean")
        assert mean.threshold(LONG) == one.threshold()
        expected = conformal_p_values(scores, np.array([score]))[0]
        assert one.p_value(score) == mean.p_value(score, LONG) == expected


@given(VALUES, RATES, st.integers(1, 40), st.integers(1, 40))
def test_more_windows_raise_the_threshold(values, rate, one, other):
    few, many = sorted([one, other])
    for method in ("quantile", "conformal"):
        found = Calibration(np.array(values), method, rate)
        low, high = found.threshold(few).value, found.threshold(many).value
        assert high >= low or high == pytest.approx(low, rel=1e-9)


@given(VALUES, RATES, st.integers(1, 80), st.lists(st.floats(-2e6, 2e6), min_size=1, max_size=9))
def test_conformal_decisions_and_p_values_agree(values, rate, windows, others):
    known = np.array(values)
    found = Calibration(known, "conformal", rate)
    limit = found.threshold(windows).value
    new = np.array([*others, *values[:3]])
    # At the level of the tail itself the last bits decide.
    new = new[np.abs(new - limit) > 1e-6 * max(abs(limit), np.abs(known).max(), 1e-30)]
    p = np.array([found.p_value(score, windows) for score in new])
    np.testing.assert_array_equal(new > limit, p <= rate + 1e-9)
    order = np.argsort(new)
    assert (np.diff(p[order]) <= 1e-12).all()
    assert ((p > 0) & (p <= 1)).all()


def test_few_scores_take_the_tail_and_say_so():
    scores = np.random.default_rng(0).gamma(3.0, size=50)
    for method in ("quantile", "conformal"):
        found = Calibration(scores, method, 0.1).threshold(LONG)
        assert scores.max() < found.value < 5 * scores.max()
        assert found.guaranteed is None
        assert found.note == (
            "50 training scores are too few for 60 windows: exponential tail of the highest"
        )
        assert found.rate == 0.1


def test_too_few_scores_for_one_window_are_for_several():
    found = Calibration(np.arange(5.0), "conformal", 0.1)
    assert found.threshold(LONG) == found.threshold()
    assert found.threshold(LONG).value == np.inf
    assert found.p_value(1e9, LONG) > 0.1


def test_a_single_score_has_no_tail():
    """It decided for an anomaly where the p-value, 2 / 3, did not."""
    found = Calibration(np.zeros(1), "conformal", 0.5)
    assert found.threshold().value == 0.0
    assert found.threshold(2).value == np.inf
    assert "no alarm" in found.threshold(2).note
    assert found.p_value(1.0, 2) == pytest.approx(2 / 3)


def test_gamma_gives_way_to_a_heavier_tail():
    scores = np.exp(0.5 * np.random.default_rng(1).normal(size=400))
    found = Calibration(scores, "gamma", 0.1)
    one, long = found.threshold(), found.threshold(LONG)
    fitted = find_threshold("gamma", scores, 1 - 0.9 ** (1 / LONG))
    assert one.value < fitted.value < long.value
    assert long.note == "exponential tail of the highest scores"


def test_few_recordings_are_said():
    scores = np.random.default_rng(0).gamma(3.0, size=40)
    of_two = [f"{'ab'[row % 2]}.wav" for row in range(40)]
    found = Calibration(scores, "gamma", 0.1, "max", of_two)
    assert "windows of 2 training recordings only" in found.threshold(2).note
    assert found.threshold().note == ""
    of_many = [f"{row % 10}.wav" for row in range(40)]
    assert "only" not in Calibration(scores, "gamma", 0.1, "max", of_many).threshold(2).note


@given(st.floats(1e-4, 0.99), st.integers(1, 1000))
def test_rates_of_windows_and_of_recordings(rate, windows):
    assert of_recording(of_window(rate, windows), windows) == pytest.approx(rate, rel=1e-9)
    assert of_window(rate, windows) <= rate


@pytest.mark.parametrize(("count", "windows"), [(1, 1), (4, 1), (3, 2), (5, 3)])
def test_ranks_against_counting(count, windows):
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
def test_levels_rise_as_rates_fall(values, one, other):
    tail = Tail.of(np.array(values))
    low, high = sorted([tail.level(one), tail.level(other)])
    assert low == tail.level(max(one, other))
    assert high == tail.level(min(one, other))
    if np.isfinite(low) and tail.excess > 1e-6 * np.abs(values).max():
        assert tail.rate(low) == pytest.approx(max(one, other), rel=1e-3)


def test_the_level_of_an_exponential_tail():
    scores = np.random.default_rng(0).exponential(size=20_000)
    level = Tail.of(scores).level(1e-4)
    # 4000 scores: their mean excess is within 5 % (three standard errors), times log(2000).
    assert level == pytest.approx(stats.expon.isf(1e-4), abs=0.05 * np.log(2000))


def test_scores_that_are_all_the_same():
    tail = Tail.of(np.full(9, 2.5))
    assert (tail.level(0.01), tail.rate(2.5), tail.rate(2.6)) == (2.5, tail.share, 0.0)
