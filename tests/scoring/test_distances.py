"""Distances against SciPy, and what rounding must not do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from asd.scoring import distances
from asd.scoring.distances import Space, blocks, mean_of_smallest, nearest


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("kind", ["cosine", "euclidean", "standardised"])
def test_between_equals_scipy(kind: distances.Distance, size: float) -> None:
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
def test_a_clip_is_at_no_distance_from_itself(kind: distances.Distance) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 200), loc=50).astype(np.float32)
    space = Space.of(kind, rows)
    apart = space.between(space.map(rows), space.map(rows))
    assert (np.diag(apart) == 0).all()
    assert (apart + np.eye(30) > 0).all()


def test_zero_embedding_has_no_direction() -> None:
    space = Space.of("cosine", np.ones((1, 3)))
    zero, one = space.map(np.zeros((1, 3))), space.map(np.ones((1, 3)))
    assert space.between(zero, one).tolist() == [[1.0]]
    assert space.between(zero, zero).tolist() == [[1.0]]


def test_constant_dimension_keeps_its_unit() -> None:
    train = np.array([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]], np.float32)
    space = Space.of("standardised", train)
    mapped = space.map(np.array([[3.0, 2.1]], np.float32))
    np.testing.assert_allclose(mapped, [[0.0, 2.0]], atol=1e-6)


def test_mean_of_smallest_skips_what_is_left_out() -> None:
    rows = np.array([[3.0, 1.0, 2.0], [np.inf, 5.0, np.inf], [np.inf] * 3])
    assert mean_of_smallest(rows, 1).tolist() == [1.0, 5.0, np.inf]
    assert mean_of_smallest(rows, 2).tolist() == [1.5, 5.0, np.inf]
    assert mean_of_smallest(rows, 9).tolist() == [2.0, 5.0, np.inf]


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_nearest_are_the_smallest(k: int) -> None:
    rows = np.random.default_rng(0).random((6, 5))
    found = np.take_along_axis(rows, nearest(rows, k), axis=1)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(rows, axis=1)[:, :k])


def test_blocks_cover_all_rows_once() -> None:
    width = distances.BLOCK // 3
    covered = [row for block in blocks(10, width) for row in range(10)[block]]
    assert covered == list(range(10))
    assert all(block.stop - block.start <= 3 for block in blocks(10, width))
    assert len(list(blocks(5, 100 * distances.BLOCK))) == 5
    assert list(blocks(0, 7)) == []
