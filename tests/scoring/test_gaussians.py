"""Mahalanobis and mixture scores against SciPy and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture

from asd.scoring import build
from asd.scoring.bank import Bank

MakeBank = Callable[..., Bank]


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
