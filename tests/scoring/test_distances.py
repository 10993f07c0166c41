"""Distances against SciPy, and what rounding must not do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from asd.scoring import distances
from asd.scoring.distances import (
    Space,
    blocks,
    largest_cosines,
    mean_of_smallest,
    nearest,
    unit_rows,
)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("kind", ["cosine", "euclidean", "standardised"])
def test_between_equals_scipy(kind, size):
    draw = np.random.default_rng(0)
    train = (size * draw.normal(size=(40, 7))).astype(np.float32)
    test = (size * draw.normal(size=(9, 7))).astype(np.float32)
    space = Space.of(kind, train)
    found = space.between(space.map(test), space.map(train))
    a, b = test.astype(np.float64), train.astype(np.float64)
    if kind == "standardised":
        a, b = (a - b.mean(0)) / b.std(0), (b - b.mean(0)) / b.std(0)
    expected = cdist(a, b, "cosine" if kind == "cosine" else "euclidean")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "euclidean", "standardised"])
def test_a_clip_is_at_no_distance_from_itself(kind):
    rows = np.random.default_rng(0).normal(size=(30, 200), loc=50).astype(np.float32)
    space = Space.of(kind, rows)
    apart = space.between(space.map(rows), space.map(rows))
    assert (np.diag(apart) == 0).all()
    assert (apart + np.eye(30) > 0).all()


def test_zero_embedding_has_no_direction():
    space = Space.of("cosine", np.ones((1, 3)))
    zero, one = space.map(np.zeros((1, 3))), space.map(np.ones((1, 3)))
    assert space.between(zero, one).tolist() == [[1.0]]
    assert space.between(zero, zero).tolist() == [[1.0]]


def test_constant_dimension_keeps_its_unit():
    train = np.array([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]], np.float32)
    space = Space.of("standardised", train)
    mapped = space.map(np.array([[3.0, 2.1]], np.float32))
    np.testing.assert_allclose(mapped, [[0.0, 2.0]], atol=1e-6)


def test_mean_of_smallest_skips_what_is_left_out():
    rows = np.array([[3.0, 1.0, 2.0], [np.inf, 5.0, np.inf], [np.inf] * 3])
    assert mean_of_smallest(rows, 1).tolist() == [1.0, 5.0, np.inf]
    assert mean_of_smallest(rows, 2).tolist() == [1.5, 5.0, np.inf]
    assert mean_of_smallest(rows, 9).tolist() == [2.0, 5.0, np.inf]


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_nearest_are_the_smallest(k):
    rows = np.random.default_rng(0).random((6, 5))
    found = np.take_along_axis(rows, nearest(rows, k), axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(rows, axis=1)[:, :k])


def test_blocks_cover_all_rows_once():
    width = distances.BLOCK // 3
    covered = [row for block in blocks(10, width) for row in range(10)[block]]
    assert covered == list(range(10))
    assert all(block.stop - block.start <= 3 for block in blocks(10, width))
    assert len(list(blocks(5, 100 * distances.BLOCK))) == 5
    assert list(blocks(0, 7)) == []


SPACE = Space("cosine")
# The nearest by single precision first are those of double precision alone, but for sums of up to
# 512 products of rows of length 1, in any order.
TOLERANCE = {"rtol": 0, "atol": 1e-13}


def largest(clips, bank):
    points = SPACE.map(bank)
    return largest_cosines(SPACE.map(clips), points.astype(np.float32), points.__getitem__)


def plain(clips, bank):
    return (SPACE.map(clips) @ SPACE.map(bank).T).max(axis=1)


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 1e-6, 1e-9, 0.0])
@pytest.mark.parametrize("dimension", [2, 128, 512])
def test_equals_double_precision_however_near_the_points_are(spread, dimension):
    """At 1e-4 and below, single precision cannot tell the points from each other."""
    draw = np.random.default_rng(0)
    centre = draw.normal(size=dimension)
    bank = centre + spread * draw.normal(size=(300, dimension))
    clips = centre + spread * draw.normal(size=(40, dimension))
    np.testing.assert_allclose(largest(clips, bank), plain(clips, bank), **TOLERANCE)


def test_single_precision_alone_would_choose_wrongly():
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


@given(clips=rows, bank=rows)
def test_any_rows(clips, bank):
    np.testing.assert_allclose(largest(clips, bank), plain(clips, bank), **TOLERANCE)


@pytest.mark.parametrize("spread", [1.0, 1e-5])
def test_a_clip_does_not_depend_on_the_others(spread):
    draw = np.random.default_rng(0)
    bank, clips = (1 + spread * draw.normal(size=(n, 32)) for n in (50, 30))
    whole = largest(clips, bank)
    alone = np.concatenate([largest(clip[None], bank) for clip in clips])
    assert whole.tobytes() == alone.tobytes()


def test_equal_points_are_measured_in_blocks(monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 64)
    bank, clips = np.ones((100, 8)), np.ones((3, 8))
    np.testing.assert_allclose(largest(clips, bank), np.ones(3), **TOLERANCE)


def test_lengths_in_single_precision():
    draw = np.random.default_rng(0)
    bank = draw.normal(size=(50, 64)).astype(np.float32)
    unit = unit_rows(bank)
    assert unit is not None
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, SPACE.map(bank), rtol=(64 / 2 + 2) * 2**-24)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e20])
def test_lengths_beyond_single_precision_are_not_guessed(size):
    bank = np.ones((3, 4), np.float32)
    bank[1] *= np.float32(size)
    assert unit_rows(bank) is None


def test_the_bound_is_what_rounding_may_add_up_to():
    """All candidates are kept even if each product were off by as much as theory allows."""
    draw = np.random.default_rng(0)
    clips, bank = (SPACE.map(draw.normal(size=(n, 256))) for n in (20, 400))
    exact, single = clips @ bank.T, clips.astype(np.float32) @ bank.astype(np.float32).T
    slack = (1.5 * 256 + 8) * np.finfo(np.float32).eps
    assert np.abs(exact - single).max() < slack / 2
    row, point = distances._candidates(clips.astype(np.float32), bank.astype(np.float32))
    kept = set(zip(row.tolist(), point.tolist(), strict=True))
    assert {(i, int(j)) for i, j in enumerate(exact.argmax(axis=1))} <= kept
