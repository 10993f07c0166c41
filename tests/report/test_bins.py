"""Bins hold every score, on an axis that fits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.report.bins import BINS, bins_of
from asd.report.scores import ScoredSection

SCORE = st.floats(-1e6, 1e6, allow_nan=False)


def scored(scores: list[float]) -> ScoredSection:
    nothing = np.full(len(scores), "")
    names = tuple(f"{i:04d}" for i in range(len(scores)))
    return ScoredSection("fan", "00", names, nothing, nothing, np.array(scores), None)


@given(st.lists(SCORE, min_size=1, max_size=20))
def test_every_score_is_in_a_bin(scores: list[float]) -> None:
    bins = bins_of(scored(scores))
    assert np.histogram(scores, bins.edges)[0].sum() == len(scores)
    assert len(bins.edges) == BINS + 1
    assert all(-1e-9 <= bins.place(score) <= 1 + 1e-9 for score in scores)
    assert all(bins.edges[0] <= tick <= bins.edges[-1] + 1e-6 for tick in bins.ticks())


def test_distances_with_a_long_tail_get_a_logarithmic_axis() -> None:
    bins = bins_of(scored([0.01, 0.012, 0.015, 0.02, 1.3]))
    assert bins.logarithmic
    assert bins.ticks() == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    ratios = bins.edges[1:] / bins.edges[:-1]
    assert ratios == pytest.approx(ratios[0])
    assert bins.place(math.sqrt(bins.edges[0] * bins.edges[-1])) == pytest.approx(0.5)


@pytest.mark.parametrize("scores", [[-1.0, 0.1, 50.0], [0.0, 0.1, 50.0], [1.0, 2.0, 3.0]])
def test_other_scores_get_a_linear_one(scores: list[float]) -> None:
    assert not bins_of(scored(scores)).logarithmic


def test_the_threshold_is_on_the_axis(section: ScoredSection) -> None:
    assert section.threshold is not None
    far = section.threshold.model_copy(update={"value": 40.0})
    assert bins_of(replace(section, threshold=far)).edges[-1] > 40.0
