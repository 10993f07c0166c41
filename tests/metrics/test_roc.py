"""Areas and curves against their definitions (loops over pairs and points) and scikit-learn."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from asd.metrics.roc import partial_auc, resampled_auc, roc_auc, roc_curve, thinned

TOLERANCE = 1e-12


def pairwise_auc(labels: list[int], scores: list[float]) -> float:
    """P(anomaly above normal) + P(tie) / 2, by looping over all pairs."""
    anomalies = [score for label, score in zip(labels, scores, strict=True) if label]
    normals = [score for label, score in zip(labels, scores, strict=True) if not label]
    wins = sum((a > n) + 0.5 * (a == n) for a in anomalies for n in normals)
    return wins / (len(anomalies) * len(normals))


def trapezoid_pauc(labels: list[int], scores: list[float], max_fpr: float) -> float:
    """The area up to ``max_fpr`` under the points of every threshold, standardised by McClish."""
    positives, negatives = sum(labels), len(labels) - sum(labels)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        called = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        points.append(((len(called) - sum(called)) / negatives, sum(called) / positives))
    area = 0.0
    for (left, low), (right, high) in pairwise(points):
        if left >= max_fpr or right == left:
            continue
        end = min(right, max_fpr)
        at_end = low + (high - low) * (end - left) / (right - left)
        area += (end - left) * (low + at_end) / 2
    smallest = max_fpr**2 / 2
    return 0.5 * (1 + (area - smallest) / (max_fpr - smallest))


@st.composite
def scored_clips(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Clips of both classes whose scores, on a coarse grid, tie often."""
    size = draw(st.integers(2, 40))
    labels = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    labels[:2] = [0, 1]
    scores = draw(st.lists(st.integers(-8, 8), min_size=size, max_size=size))
    return labels, [score / 4 for score in scores]


@settings(max_examples=60, deadline=None)
@given(scored_clips(), st.sampled_from([0.05, 0.1, 0.3, 1.0]))
def test_areas_equal_their_definitions(
    clips: tuple[list[int], list[float]], max_fpr: float
) -> None:
    labels, scores = clips
    assert roc_auc(labels, scores) == pytest.approx(pairwise_auc(labels, scores), abs=TOLERANCE)
    expected = trapezoid_pauc(labels, scores, max_fpr)
    assert partial_auc(labels, scores, max_fpr) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize(("normals", "anomalies"), [(1, 1), (7, 3), (50, 100), (100, 100)])
def test_areas_equal_those_of_scikit_learn(decimals: int, normals: int, anomalies: int) -> None:
    rng = np.random.default_rng(normals + decimals)
    labels = np.repeat([0, 1], [normals, anomalies])
    for _ in range(10):
        scores = np.round(rng.normal(size=len(labels)) + labels, decimals)
        assert roc_auc(labels, scores) == pytest.approx(
            roc_auc_score(labels, scores), abs=TOLERANCE
        )
        assert partial_auc(labels, scores) == pytest.approx(
            roc_auc_score(labels, scores, max_fpr=0.1), abs=TOLERANCE
        )


def test_all_scores_equal_is_chance() -> None:
    assert roc_auc([0, 1, 0, 1, 1], [3.0] * 5) == 0.5
    assert partial_auc([0, 1, 0, 1, 1], [3.0] * 5) == pytest.approx(0.5, abs=TOLERANCE)


def test_best_and_worst() -> None:
    labels, scores = [0] * 20 + [1] * 20, list(range(40))
    backwards = scores[::-1]
    assert (roc_auc(labels, scores), roc_auc(labels, backwards)) == (1.0, 0.0)
    assert partial_auc(labels, scores) == pytest.approx(1.0, abs=TOLERANCE)
    assert partial_auc(labels, backwards) == pytest.approx(9 / 19, abs=TOLERANCE)  # 0.47368


@pytest.mark.parametrize("labels", [[], [0], [1], [0, 0, 0], [1, 1, 1]])
def test_undefined_is_nan(labels: list[int]) -> None:
    scores = [float(place) for place in range(len(labels))]
    assert math.isnan(roc_auc(labels, scores))
    assert math.isnan(partial_auc(labels, scores))
    curve = roc_curve(labels, scores)
    assert np.isnan(curve.fpr).all() or np.isnan(curve.tpr).all()


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        roc_auc([0, 1], [0.0, math.nan])
    with pytest.raises(ValueError, match="shapes"):
        roc_auc([0, 1, 1], [0.0, 1.0])
    with pytest.raises(ValueError, match="max_fpr"):
        partial_auc([0, 1], [0.0, 1.0], max_fpr=0.0)


@settings(max_examples=60, deadline=None)
@given(scored_clips())
def test_area_knows_only_the_order(clips: tuple[list[int], list[float]]) -> None:
    labels, scores = clips
    values = np.array(scores)
    for monotone in (3.0 * values - 7.0, np.exp(values), np.arctan(values), values**3):
        assert roc_auc(labels, monotone) == roc_auc(labels, values)
        assert partial_auc(labels, monotone) == partial_auc(labels, values)
    assert roc_auc(labels, -values) == pytest.approx(1.0 - roc_auc(labels, values), abs=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(scored_clips(), st.integers(0, 2**16))
def test_counts_are_repetitions(clips: tuple[list[int], list[float]], seed: int) -> None:
    labels, scores = (np.array(column) for column in clips)
    counts = np.random.default_rng(seed).integers(0, 3, size=(4, len(labels)))
    for max_fpr, area in ((1.0, roc_auc), (0.1, partial_auc)):
        repeated = [area(np.repeat(labels, often), np.repeat(scores, often)) for often in counts]
        together = resampled_auc(labels, scores, counts, max_fpr)
        np.testing.assert_allclose(together, repeated, atol=TOLERANCE)


def test_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 2, 80), np.round(rng.normal(size=80), 1)
    fpr, tpr, _ = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    curve = roc_curve(labels, scores)
    np.testing.assert_allclose(curve.fpr, fpr, atol=TOLERANCE)
    np.testing.assert_allclose(curve.tpr, tpr, atol=TOLERANCE)


def test_thinning_keeps_the_shape_and_the_ends() -> None:
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, 300), rng.normal(size=300)
    curve = roc_curve(labels, scores)
    corners = thinned(curve, 1000)
    assert len(corners.fpr) < len(curve.fpr)
    area = np.sum(np.diff(corners.fpr) * (corners.tpr[1:] + corners.tpr[:-1])) / 2
    assert area == pytest.approx(roc_auc(labels, scores), abs=TOLERANCE)
    few = thinned(curve, 11)
    assert len(few.fpr) == 11
    assert (few.fpr[0], few.tpr[0], few.fpr[-1], few.tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
