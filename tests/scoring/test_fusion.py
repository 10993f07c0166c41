"""Fusion of systems by their training scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asd.errors import UsageError
from asd.scoring.fusion import Join, SystemScores, fuse, standardised

TRAINING = tuple((section, f"{i}.wav") for section in ("00", "01") for i in range(6))
TEST = (("00", "a.wav"), ("01", "a.wav"), ("01", "b.wav"))


def system(seed: int, shift: float = 0.0, scale: float = 1.0) -> SystemScores:
    draw = np.random.default_rng(seed)
    return SystemScores(
        f"system{seed}",
        TEST,
        shift + scale * draw.normal(size=3),
        TRAINING,
        shift + scale * draw.normal(size=12),
    )


def shuffled(scores: SystemScores) -> SystemScores:
    draw = np.random.default_rng(9)
    test, training = draw.permutation(3), draw.permutation(12)
    return SystemScores(
        scores.system,
        tuple(scores.clips[i] for i in test),
        scores.scores[test],
        tuple(scores.training_clips[i] for i in training),
        scores.training_scores[training],
    )


@pytest.mark.parametrize("join", ["mean", "max"])
def test_by_the_definition(join: Join) -> None:
    systems = [system(0), system(1, 50, 10), system(2, -3, 1e-4)]
    fused = fuse(systems, join)
    for i, (section, _) in enumerate(TEST):
        rows = [j for j, (of, _) in enumerate(TRAINING) if of == section]
        z = [
            (s.scores[i] - s.training_scores[rows].mean()) / s.training_scores[rows].std()
            for s in systems
        ]
        expected = sum(z) / 3 if join == "mean" else max(z)
        assert fused.scores[i] == pytest.approx(expected, rel=1e-9)
    assert fused.clips == TEST
    assert fused.training_scores.shape == (12,)


def test_units_and_order_do_not_matter() -> None:
    first = system(0)
    plain = fuse([first, system(1)])
    moved = fuse([first, shuffled(system(1, 7.0, 1e3))])
    np.testing.assert_allclose(moved.scores, plain.scores, rtol=1e-9)
    np.testing.assert_allclose(moved.training_scores, plain.training_scores, rtol=1e-9)


def test_clips_are_joined_by_name_and_section() -> None:
    first, second = system(0), shuffled(system(0))
    np.testing.assert_allclose(fuse([first, second]).scores, fuse([first]).scores, rtol=1e-12)


def test_test_scores_do_not_change_each_other() -> None:
    one, other = system(0), system(1)
    changed = replace(other, scores=other.scores + np.array([0.0, 0.0, 100.0]))
    np.testing.assert_array_equal(fuse([one, other]).scores[:2], fuse([one, changed]).scores[:2])


def test_constant_training_scores_are_only_centred() -> None:
    constant = replace(system(0), training_scores=np.full(12, 0.1))
    scores, training = standardised(constant)
    np.testing.assert_allclose(scores, constant.scores - 0.1)
    np.testing.assert_allclose(training, 0.0, atol=1e-15)


def test_unlike_systems_are_refused() -> None:
    with pytest.raises(UsageError, match="one system or more"):
        fuse([])
    fewer = replace(system(1), clips=TEST[:2], scores=np.zeros(2))
    with pytest.raises(UsageError, match=r"system0 and system1 did not score the same.*b.wav"):
        fuse([system(0), fewer])
    twice = replace(system(1), clips=(TEST[0], *TEST), scores=np.zeros(4))
    with pytest.raises(UsageError, match="given twice"):
        fuse([system(0), twice])
    elsewhere = replace(system(1), clips=(("02", "a.wav"), *TEST[1:]))
    with pytest.raises(UsageError, match="no training scores of section 02"):
        standardised(elsewhere)
