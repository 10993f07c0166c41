"""Thresholds against SciPy, against counting, and against their own guarantee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asd.errors import JobError, UsageError
from asd.scoring.thresholds import (
    THRESHOLDS,
    conformal_p_values,
    find_threshold,
)

floats = st.floats(-1e6, 1e6, width=32)


def gamma_scores(seed, size=400):
    return np.random.default_rng(seed).gamma(3.0, size=size)


@pytest.mark.parametrize("seed", range(5))
def test_gamma_is_the_challenges_rule(seed):
    scores = gamma_scores(seed)
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(scores))
    found = find_threshold("gamma", scores, 0.1)
    # Both end where a simplex stops: at a part in 10,000 of the spread of the scores.
    assert found.value == pytest.approx(expected, abs=2e-3 * scores.std())
    assert found.note == ""


@pytest.mark.parametrize(("shift", "scale"), [(-50.0, 1.0), (0.0, 1e-5), (1e3, 1e4)])
def test_gamma_moves_with_the_scores(shift, scale):
    scores = gamma_scores(0)
    plain = find_threshold("gamma", scores).value
    moved = find_threshold("gamma", shift + scale * scores).value
    assert (moved - shift) / scale == pytest.approx(plain, rel=1e-3)


def test_gamma_of_scores_that_are_all_the_same():
    scores = np.full(20, -1.25)
    found = find_threshold("gamma", scores)
    assert found.value == -1.25
    assert found.note == "all training scores are the same"
    assert not (scores > found.value).any()
    assert find_threshold("gamma", np.zeros(1)).value == 0.0


def test_gamma_of_scores_skewed_to_the_left_is_normal():
    scores = -gamma_scores(0)
    found = find_threshold("gamma", scores, 0.2)
    assert found.value == pytest.approx(scores.mean() + stats.norm.ppf(0.8) * scores.std())
    assert "normal" in found.note


def test_gamma_without_a_maximum_of_the_likelihood():
    # A fifth of the scores at the minimum: the likelihood of shape < 1 has no bound there.
    scores = np.concatenate([np.zeros(80), gamma_scores(0, 320)])
    found = find_threshold("gamma", scores)
    assert "moments" in found.note
    assert 0.05 < (scores > found.value).mean() < 0.15


@given(st.lists(floats, min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_every_method_gives_a_threshold_for_any_scores(values, rate):
    scores = np.array(values)
    for method in THRESHOLDS:
        found = find_threshold(method, scores, rate)
        assert not np.isnan(found.value)
        assert found.method == method
        assert found.count == len(scores)


@given(st.lists(floats, min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_quantile_is_the_smallest_score_with_few_above(values, rate):
    scores = np.array(values)
    found = find_threshold("quantile", scores, rate).value
    allowed = rate * len(scores) + 1e-6
    assert found in scores
    assert (scores > found).sum() <= allowed
    assert all((scores > lower).sum() > allowed - 2e-6 for lower in scores[scores < found])


@given(
    st.lists(floats, min_size=1, max_size=30),
    st.lists(floats, min_size=1, max_size=30),
    st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5, 0.9]),
)
def test_conformal_p_values_and_threshold_agree(calibration, scores, rate):
    known, new = np.array(calibration), np.array([*scores, *calibration[:3]])
    p = conformal_p_values(known, new)
    expected = [(1 + sum(c >= s for c in known)) / (len(known) + 1) for s in new]
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    limit = find_threshold("conformal", known, rate).value
    np.testing.assert_array_equal(new > limit, p <= rate + 1e-12)


@pytest.mark.parametrize(("count", "rate"), [(19, 0.1), (24, 0.1), (9, 0.3), (5, 0.1)])
def test_conformal_holds_its_guarantee(count, rate):
    # Rounded scores have ties, which may only make alarms rarer.
    draw = np.random.default_rng(0)
    rounds = 4000
    for digits in (1, 9):
        alarms = 0
        for _ in range(rounds):
            scores = np.round(draw.standard_cauchy(count + 1), digits)
            found = find_threshold("conformal", scores[:-1], rate)
            alarms += int(scores[-1] > found.value)
        guaranteed = found.guaranteed
        assert guaranteed is not None
        assert guaranteed <= rate
        error = 4 * np.sqrt(0.25 / rounds)  # four standard errors
        assert alarms / rounds <= guaranteed + error
        if digits == 9:  # without ties the rate is exact
            assert alarms / rounds >= guaranteed - error


def test_too_few_scores_for_the_rate_never_alarm():
    found = find_threshold("conformal", np.arange(5.0), 0.1)
    assert found.value == np.inf
    assert found.guaranteed == 0.0
    assert "too few" in found.note


def test_wrong_use():
    scores = np.arange(5.0)
    with pytest.raises(UsageError, match="known: conformal, gamma, quantile"):
        find_threshold("gama", scores)
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="not between 0 and 1"):
            find_threshold("gamma", scores, rate)
    with pytest.raises(UsageError, match="needs training scores"):
        find_threshold("gamma", scores[:0])
    with pytest.raises(JobError, match="not finite"):
        find_threshold("gamma", np.array([1.0, np.nan]))
