"""Balanced batches: their composition, and that they depend on the seed and epoch alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asd.training.sampler import balanced_batches

CLASSES = st.lists(st.integers(0, 6), min_size=1, max_size=80).map(np.array)


@given(CLASSES, st.integers(2, 6), st.integers(2, 5), st.integers(0, 5))
def test_every_batch_is_balanced(
    classes: np.ndarray, per_batch: int, per_class: int, epoch: int
) -> None:
    there = len(np.unique(classes))
    chosen = min(per_batch, there)
    batches = list(balanced_batches(classes, per_batch, per_class, 0, epoch))
    assert batches
    for rows in batches:
        counts = np.bincount(classes[rows], minlength=7)
        assert (counts > 0).sum() == chosen
        assert set(counts[counts > 0]) == {per_batch * per_class // chosen}


@given(CLASSES, st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_can_be_repeated(classes: np.ndarray, seed: int, epoch: int) -> None:
    first = [rows.tolist() for rows in balanced_batches(classes, 3, 2, seed, epoch)]
    again = [rows.tolist() for rows in balanced_batches(classes, 3, 2, seed, epoch)]
    assert first == again


def test_epochs_and_seeds_differ() -> None:
    classes = np.arange(60) % 3
    drawn = {
        (seed, epoch): np.concatenate(list(balanced_batches(classes, 3, 4, seed, epoch))).tolist()
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(rows) for rows in drawn.values()}) == 4


def test_equal_classes_are_seen_whole_each_epoch() -> None:
    classes = np.repeat(np.arange(4), 12)
    rows = np.concatenate(list(balanced_batches(classes, 4, 6, 0, 0)))
    assert sorted(rows) == list(range(48))


def test_rare_classes_come_as_often_as_common_ones() -> None:
    classes = np.array([0] * 990 + [1] * 10)
    rows = np.concatenate(list(balanced_batches(classes, 2, 8, 0, 0)))
    counts = np.bincount(classes[rows])
    assert counts[0] == counts[1]
