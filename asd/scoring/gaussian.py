"""Gaussians over a section's training clips: the Mahalanobis distance, and a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import SAME, Space
from asd.scoring.references import ReferenceSettings, reference_rows
from asd.scoring.repeatable import repeatable


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian N(m, a S + b I), S being the covariance of weighted rows.

    Attributes:
        mean: (D,) m.
        axes: (D, D) the eigenvectors of S, in columns.
        variances: (D,) those of the Gaussian along the axes, above 0.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray, weights: np.ndarray, scale: float, ridge: float) -> Gaussian:
        """Fit to rows (M, D) with weights (M,) of which one at least is above 0.

        Args:
            scale: a.
            ridge: b, above 0.
        """
        share = weights / weights.sum()
        mean = share @ rows
        centred = (rows - mean) * np.sqrt(share)[:, None]
        spectrum, axes = np.linalg.eigh(centred.T @ centred)
        return cls(mean, axes, scale * np.maximum(spectrum, 0.0) + ridge)

    def squared(self, clips: np.ndarray) -> np.ndarray:
        """Return the squared Mahalanobis distances (n,) of clips (n, D)."""
        return ((clips - self.mean) @ self.axes) ** 2 @ (1.0 / self.variances)

    def surprise(self, clips: np.ndarray) -> np.ndarray:
        """Return - log N (n,) of clips (n, D)."""
        logdet = np.log(self.variances).sum()
        return 0.5 * (self.squared(clips) + logdet + clips.shape[1] * np.log(2.0 * np.pi))


class Mahalanobis(Scorer):
    """Score by the Mahalanobis distance to the mean of the section's training clips.

    The covariance is (1 - a) S + a t I, t being the mean variance and a the share of Ledoit and
    Wolf (2004). With two reference sets each has its own mean and covariance, and the smaller
    distance counts.
    """

    Config = ReferenceSettings
    config: ReferenceSettings

    def fit_section(self, training: Training) -> SectionModel:
        """Fit one Gaussian to each reference set of the section."""
        return Ellipsoids(tuple(_shrunk(rows) for rows in _sets(training, self.config)))


@dataclass(frozen=True)
class Ellipsoids:
    gaussians: tuple[Gaussian, ...]

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        clips = outputs["embedding"].astype(np.float64)
        return np.sqrt(np.minimum.reduce([one.squared(clips) for one in self.gaussians]))


class GmmSettings(ReferenceSettings):
    """How the mixture is fitted.

    Attributes:
        components: Gaussians with full covariances in each reference set.
        ridge: what is added to every variance.
    """

    components: Annotated[int, Field(ge=1, le=16)] = 1
    ridge: float = Field(1e-6, gt=0)


class Gmm(Scorer):
    """Score - max_k log N(x; mean k, covariance k).

    With two reference sets each has its own mixture, and the smaller score counts.
    """

    Config = GmmSettings
    config: GmmSettings

    def fit_section(self, training: Training) -> SectionModel:
        """Fit a mixture to each reference set of the section."""
        gaussians = [
            Gaussian.fit(rows, weights, scale=1.0, ridge=self.config.ridge)
            for rows in _sets(training, self.config)
            for weights in _memberships(rows, self.config)
            if weights.sum() > 0
        ]
        return Mixture(tuple(gaussians))


@dataclass(frozen=True)
class Mixture:
    gaussians: tuple[Gaussian, ...]

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        clips = outputs["embedding"].astype(np.float64)
        return np.minimum.reduce([one.surprise(clips) for one in self.gaussians])


def _sets(training: Training, config: ReferenceSettings) -> list[np.ndarray]:
    embedding = training.arrays["embedding"].astype(np.float64)
    sets = reference_rows(embedding, training.domains, Space("euclidean"), config)
    return [one.values for one in sets]


def _shrunk(rows: np.ndarray) -> Gaussian:
    """Fit a Gaussian with the covariance of Ledoit and Wolf."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    weights = np.ones(len(rows))
    variance = rows.var(axis=0).mean()
    if variance <= SAME * np.square(rows).mean():
        # Clips that coincide have no spread to measure by: the distance is Euclidean.
        return Gaussian.fit(rows, weights, scale=1.0, ridge=1.0)
    share = float(ledoit_wolf_shrinkage(rows))
    # Where nothing is shrunk a dimension without variance would make the covariance singular.
    ridge = max(share, 1e-9) * variance
    return Gaussian.fit(rows, weights, scale=1.0 - share, ridge=ridge)


def _memberships(rows: np.ndarray, config: GmmSettings) -> np.ndarray:
    """Return how much of each row (M, D) belongs to which Gaussian, (components, M).

    One Gaussian owns every row; more are found by expectation maximisation from k-means clusters.
    """
    distinct = len(np.unique(rows, axis=0)) if config.components > 1 else 1
    components = min(config.components, distinct)
    if components == 1:
        return np.ones((1, len(rows)))
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        components, reg_covar=config.ridge, tol=1e-4, max_iter=200, random_state=config.seed
    )
    with repeatable():
        shares = mixture.fit(rows).predict_proba(rows)
    return shares.T


Mahalanobis.Fitted = Ellipsoids
Gmm.Fitted = Mixture
