"""A Gaussian mixture over a section's training clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

import numpy as np
from pydantic import Field

from asd.config import Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import Space
from asd.scoring.gaussian import Gaussian
from asd.scoring.references import ReferenceSettings, Rows, reference_rows
from asd.scoring.repeatable import repeatable


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

    In the training scores each Gaussian is fitted without the clip and without the synthetic clips
    made of it; how much of each other clip belongs to which Gaussian stays as it was.
    """

    Config = GmmSettings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"embedding": (2,)}

    def __init__(self, config: Settings) -> None:
        self.config = cast(GmmSettings, config)

    def fit_section(self, training: Training) -> SectionModel:
        """Fit a mixture to each reference set of the section."""
        embedding = training.arrays["embedding"].astype(np.float64)
        sets = reference_rows(embedding, training.domains, Space("euclidean"), self.config)
        gaussians = [
            Gaussian.fit(rows, weights, scale=1.0, ridge=self.config.ridge)
            for rows in sets
            for weights in memberships(rows, self.config)
            if weights.sum() > 0
        ]
        return Mixture(embedding, tuple(gaussians))


@dataclass(frozen=True)
class Mixture:
    training: np.ndarray
    gaussians: tuple[Gaussian, ...]

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        clips = outputs["embedding"].astype(np.float64)
        return np.minimum.reduce([_surprise(*one.measure(clips), clips) for one in self.gaussians])

    def training_scores(self) -> np.ndarray:
        index = np.arange(len(self.training))
        found = [one.measure_without(self.training, index) for one in self.gaussians]
        scores = np.minimum.reduce([_surprise(*one, self.training) for one in found])
        alone = np.isinf(scores)
        scores[alone] = self.score({"embedding": self.training[alone]})
        return scores


def memberships(rows: Rows, config: GmmSettings) -> np.ndarray:
    """Return how much of each row belongs to which Gaussian, (components, M).

    One Gaussian owns every row; more are found by expectation maximisation from k-means clusters.
    """
    distinct = len(np.unique(rows.values, axis=0)) if config.components > 1 else 1
    components = min(config.components, distinct)
    if components == 1:
        return np.ones((1, len(rows.values)))
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        components, reg_covar=config.ridge, tol=1e-4, max_iter=200, random_state=config.seed
    )
    with repeatable():
        shares: np.ndarray = mixture.fit(rows.values).predict_proba(rows.values)
    return shares.T


def _surprise(squared: np.ndarray, logdet: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Return - log N (n,)."""
    return 0.5 * (squared + logdet + clips.shape[1] * np.log(2.0 * np.pi))


Gmm.Fitted = Mixture
