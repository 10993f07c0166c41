"""Mahalanobis and mixture scores against SciPy and scikit-learn, and exact leave-one-out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture

from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.gaussian import Gaussian
from asd.scoring.references import Rows

MakeBank = Callable[..., Bank]


def own_rows(values: np.ndarray) -> Rows:
    parents = np.stack([np.arange(len(values)), np.full(len(values), -1)], axis=1)
    return Rows(values, parents, len(values))


def test_mahalanobis(make_bank: MakeBank) -> None:
    bank, test = make_bank({"00": (25, 5)}), make_bank({"00": (8, 2)}, seed=1)
    scores = build("mahalanobis", {}).fit(bank).score(test.arrays, test.clips.section)
    clips = bank.arrays["embedding"].astype(np.float64)
    precision = np.linalg.inv(ledoit_wolf(clips)[0])
    expected = [mahalanobis(x, clips.mean(axis=0), precision) for x in test.arrays["embedding"]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_mahalanobis_with_more_dimensions_than_clips(make_bank: MakeBank) -> None:
    bank, test = make_bank({"00": (9, 0)}, 40), make_bank({"00": (5, 0)}, 40, seed=1)
    scores = build("mahalanobis", {}).fit(bank).score(test.arrays, test.clips.section)
    clips = bank.arrays["embedding"].astype(np.float64)
    precision = np.linalg.inv(ledoit_wolf(clips)[0])
    expected = [mahalanobis(x, clips.mean(axis=0), precision) for x in test.arrays["embedding"]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_mahalanobis_takes_the_nearer_domain(make_bank: MakeBank) -> None:
    bank, test = make_bank({"00": (25, 8)}), make_bank({"00": (8, 6)}, seed=1)
    scores = build("mahalanobis", {"banks": "two"}).fit(bank).score(test.arrays, test.clips.section)
    found = []
    for domain in ("source", "target"):
        clips = bank.arrays["embedding"][np.array(bank.clips.domain) == domain].astype(np.float64)
        precision = np.linalg.inv(ledoit_wolf(clips)[0])
        found.append(
            [mahalanobis(x, clips.mean(axis=0), precision) for x in test.arrays["embedding"]]
        )
    np.testing.assert_allclose(scores, np.min(found, axis=0), rtol=1e-6)


def test_one_gaussian(make_bank: MakeBank) -> None:
    bank, test = make_bank({"00": (25, 5)}), make_bank({"00": (8, 2)}, seed=1)
    fitted = build("gmm", {}).fit(bank)
    clips = bank.arrays["embedding"].astype(np.float64)

    def score(train: np.ndarray, x: np.ndarray) -> float:
        covariance = np.cov(train.T, bias=True) + 1e-6 * np.eye(train.shape[1])
        return -float(multivariate_normal(train.mean(axis=0), covariance).logpdf(x))

    expected = [score(clips, x.astype(np.float64)) for x in test.arrays["embedding"]]
    np.testing.assert_allclose(fitted.score(test.arrays, test.clips.section), expected, rtol=1e-9)
    expected = [score(np.delete(clips, i, axis=0), clip) for i, clip in enumerate(clips)]
    np.testing.assert_allclose(fitted.training_scores(), expected, rtol=1e-8)


def test_two_gaussians(make_bank: MakeBank) -> None:
    draw = np.random.default_rng(0)
    embedding = draw.normal(size=(60, 3)) + np.repeat([[0.0], [8.0]], 30, axis=0)
    bank = make_bank({"00": (60, 0)}, embedding=embedding)
    test = draw.normal(size=(10, 3), loc=4).astype(np.float32)
    scores = build("gmm", {"components": 2}).fit(bank).score({"embedding": test}, ["00"] * 10)
    mixture = GaussianMixture(2, reg_covar=1e-6, tol=1e-8, random_state=0).fit(
        bank.arrays["embedding"].astype(np.float64)
    )
    expected = np.min(
        [
            -multivariate_normal(mean, covariance).logpdf(test)
            for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(30, 4), (6, 12)], ids=["tall", "wide"])
def test_leaving_out_is_fitting_without(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=shape) * np.arange(1, shape[1] + 1)
    weights = draw.random(len(values))
    rows = own_rows(values)
    gaussian = Gaussian.fit(rows, weights, scale=0.7, ridge=0.2)
    squared, logdet = gaussian.measure_without(values, np.arange(len(values)))
    for i, clip in enumerate(values):
        gone = weights.copy()
        gone[i] = 0.0
        without = Gaussian.fit(rows, gone, scale=0.7, ridge=0.2)
        expected = without.measure(clip[None])
        assert squared[i] == pytest.approx(expected[0][0], rel=1e-9)
        assert logdet[i] == pytest.approx(expected[1][0], rel=1e-9)


def test_synthetic_clips_are_left_out_with_theirs() -> None:
    values = np.random.default_rng(0).normal(size=(12, 3))
    # Rows 8 to 11 are made of clip 2, and two of them of clip 5 too; clip 7 is not in the set.
    parents = np.full((12, 2), -1)
    parents[:7, 0], parents[8:, 0], parents[10:, 1], parents[7, 0] = range(7), 2, 5, 6
    rows = Rows(values, parents, 0)
    gaussian = Gaussian.fit(rows, np.ones(12), scale=1.0, ridge=0.1)
    squared, logdet = gaussian.measure_without(values[[2, 5, 7]], np.array([2, 5, 7]))
    for i, removed in enumerate([[2, 8, 9, 10, 11], [5, 10, 11], []]):
        weights = np.ones(12)
        weights[removed] = 0.0
        without = Gaussian.fit(rows, weights, scale=1.0, ridge=0.1)
        expected = without.measure(values[[2, 5, 7]][i : i + 1])
        assert squared[i] == pytest.approx(expected[0][0], rel=1e-9)
        assert logdet[i] == pytest.approx(expected[1][0], rel=1e-9)


def test_nothing_is_left_of_one_clip() -> None:
    values = np.ones((1, 3))
    gaussian = Gaussian.fit(own_rows(values), np.ones(1), scale=1.0, ridge=1.0)
    assert gaussian.measure_without(values, np.array([0]))[0].tolist() == [np.inf]
