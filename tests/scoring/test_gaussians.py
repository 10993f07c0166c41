"""Mahalanobis and mixture scores against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture

from asd.scoring import build


@pytest.mark.parametrize(
    ("banks", "clips", "dimensions"),
    [("one", (25, 5), 5), ("one", (9, 0), 40), ("two", (25, 8), 5)],
    ids=["one domain", "more dimensions than clips", "the nearer domain"],
)
def test_mahalanobis(make_bank, banks, clips, dimensions):
    bank = make_bank({"00": clips}, dimensions)
    test = make_bank({"00": (8, 6)}, dimensions, seed=1)
    scores = build("mahalanobis", {"banks": banks}).fit(bank).score(test.arrays, test.clips.section)
    domains, found = np.array(bank.clips.domain), []
    for domain in ("source", "target"):
        rows = (domains == domain) | (banks == "one")
        known = bank.arrays["embedding"][rows].astype(np.float64)
        mean, precision = known.mean(axis=0), np.linalg.inv(ledoit_wolf(known)[0])
        found.append([mahalanobis(x, mean, precision) for x in test.arrays["embedding"]])
    np.testing.assert_allclose(scores, np.min(found, axis=0), rtol=1e-6)


def test_one_gaussian(make_bank):
    bank, test = make_bank({"00": (25, 5)}), make_bank({"00": (8, 2)}, seed=1)
    fitted = build("gmm", {}).fit(bank)
    clips = bank.arrays["embedding"].astype(np.float64)

    def score(train, x):
        covariance = np.cov(train.T, bias=True) + 1e-6 * np.eye(train.shape[1])
        return -float(multivariate_normal(train.mean(axis=0), covariance).logpdf(x))

    expected = [score(clips, x.astype(np.float64)) for x in test.arrays["embedding"]]
    np.testing.assert_allclose(fitted.score(test.arrays, test.clips.section), expected, rtol=1e-9)


def test_two_gaussians(make_bank):
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
