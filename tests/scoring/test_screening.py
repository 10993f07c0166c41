"""The nearest by single precision first: the same as by double precision alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asd.scoring import distances
from asd.scoring.distances import Space, largest_cosines, unit_rows

SPACE = Space("cosine")
# Sums of up to 512 products of rows of length 1, in any order.
TOLERANCE = {"rtol": 0, "atol": 1e-13}


def largest(clips: np.ndarray, bank: np.ndarray) -> np.ndarray:
    points = SPACE.map(bank)
    return largest_cosines(SPACE.map(clips), points.astype(np.float32), points.__getitem__)


def plain(clips: np.ndarray, bank: np.ndarray) -> np.ndarray:
    return (SPACE.map(clips) @ SPACE.map(bank).T).max(axis=1)


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1e-6, 1e-9, 0.0])
@pytest.mark.parametrize("dimension", [2, 128, 512])
def test_equals_double_precision_however_near_the_points_are(spread: float, dimension: int) -> None:
    """At 1e-4 and below, single precision cannot tell the points from each other."""
    draw = np.random.default_rng(0)
    centre = draw.normal(size=dimension)
    bank = centre + spread * draw.normal(size=(300, dimension))
    clips = centre + spread * draw.normal(size=(40, dimension))
    np.testing.assert_allclose(largest(clips, bank), plain(clips, bank), **TOLERANCE)


def test_single_precision_alone_would_choose_wrongly() -> None:
    """Or the test above could not fail."""
    draw = np.random.default_rng(0)
    centre = draw.normal(size=128)
    bank, clips = (SPACE.map(centre + 1e-4 * draw.normal(size=(n, 128))) for n in (300, 40))
    chosen = (clips.astype(np.float32) @ bank.astype(np.float32).T).argmax(axis=1)
    assert (plain(clips, bank) - (clips * bank[chosen]).sum(axis=1)).max() > 1e-9


rows = st.integers(1, 12).flatmap(
    lambda count: arrays(
        np.float32,
        (count, 4),
        elements=st.floats(-4, 4, width=32) | st.sampled_from([0.0, 1.0]),
    )
)


@settings(deadline=None)
@given(clips=rows, bank=rows)
def test_any_rows(clips: np.ndarray, bank: np.ndarray) -> None:
    np.testing.assert_allclose(largest(clips, bank), plain(clips, bank), **TOLERANCE)


@pytest.mark.parametrize("spread", [1.0, 1e-5])
def test_a_clip_does_not_depend_on_the_others(spread: float) -> None:
    draw = np.random.default_rng(0)
    bank, clips = (1 + spread * draw.normal(size=(n, 32)) for n in (50, 30))
    whole = largest(clips, bank)
    alone = np.concatenate([largest(clip[None], bank) for clip in clips])
    assert whole.tobytes() == alone.tobytes()


def test_equal_points_are_measured_in_blocks(monkeypatch: Any) -> None:
    monkeypatch.setattr("asd.scoring.distances.BLOCK", 64)
    bank, clips = np.ones((100, 8)), np.ones((3, 8))
    np.testing.assert_allclose(largest(clips, bank), np.ones(3), **TOLERANCE)


def test_lengths_in_single_precision() -> None:
    draw = np.random.default_rng(0)
    bank = draw.normal(size=(50, 64)).astype(np.float32)
    unit = unit_rows(bank)
    assert unit is not None
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, SPACE.map(bank), rtol=(64 / 2 + 2) * 2**-24)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e20])
def test_lengths_beyond_single_precision_are_not_guessed(size: float) -> None:
    bank = np.ones((3, 4), np.float32)
    bank[1] *= np.float32(size)
    assert unit_rows(bank) is None


def test_the_bound_is_what_rounding_may_add_up_to() -> None:
    """All candidates are kept even if each product were off by as much as theory allows."""
    draw = np.random.default_rng(0)
    clips, bank = (SPACE.map(draw.normal(size=(n, 256))) for n in (20, 400))
    exact, single = clips @ bank.T, clips.astype(np.float32) @ bank.astype(np.float32).T
    slack = (1.5 * 256 + 8) * np.finfo(np.float32).eps
    assert np.abs(exact - single).max() < slack / 2
    row, point = distances._candidates(clips.astype(np.float32), bank.astype(np.float32))
    kept = set(zip(row.tolist(), point.tolist(), strict=True))
    assert {(i, int(j)) for i, j in enumerate(exact.argmax(axis=1))} <= kept
