"""t-SNE: the same each time, and what belongs together stays together."""

from __future__ import annotations

import numpy as np
import pytest

from asd.report.maps import lay_out


def test_two_directions_come_apart_and_length_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(8)[:2], 20, axis=0)
    points = (centres + 0.05 * rng.normal(size=(40, 8))) * rng.uniform(1, 9, size=(40, 1))
    places = lay_out(points.astype(np.float32))
    assert places is not None
    first, second = places[:20], places[20:]
    inside = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > inside


def test_the_same_embeddings_give_the_same_places() -> None:
    points = np.random.default_rng(1).normal(size=(24, 6)).astype(np.float32)
    np.testing.assert_array_equal(lay_out(points), lay_out(points))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_clips_give_no_map(count: int) -> None:
    assert lay_out(np.ones((count, 3), np.float32)) is None


def test_embeddings_that_are_all_the_same() -> None:
    places = lay_out(np.ones((6, 3), np.float32))
    assert places is not None
    assert np.isfinite(places).all()
