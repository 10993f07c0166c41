"""Mahalanobis distance to a section's training clips, the covariance shrunk by Ledoit and Wolf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from asd.config import Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import SAME, Space
from asd.scoring.gaussian import Gaussian
from asd.scoring.references import ReferenceSettings, Rows, reference_rows


class Mahalanobis(Scorer):
    """Score by the Mahalanobis distance to the mean of the section's clips.

    The covariance is (1 - a) S + a t I, t being the mean variance and a the share of Ledoit and
    Wolf (2004). With two reference sets each has its own mean and covariance, and the smaller
    distance counts.

    In the training scores mean and covariance are those without the clip, exactly, and without the
    synthetic clips made of it; the shrinkage a t stays that of the whole section.
    """

    Config = ReferenceSettings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"embedding": (2,)}

    def __init__(self, config: Settings) -> None:
        self.config = cast(ReferenceSettings, config)

    def fit_section(self, training: Training) -> SectionModel:
        """Fit one Gaussian to each reference set of the section."""
        embedding = training.arrays["embedding"].astype(np.float64)
        sets = reference_rows(embedding, training.domains, Space("euclidean"), self.config)
        return Ellipsoids(embedding, tuple(_shrunk(rows) for rows in sets))


@dataclass(frozen=True)
class Ellipsoids:
    training: np.ndarray
    gaussians: tuple[Gaussian, ...]

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        clips = outputs["embedding"].astype(np.float64)
        squared = [gaussian.measure(clips)[0] for gaussian in self.gaussians]
        return np.sqrt(np.minimum.reduce(squared))

    def training_scores(self) -> np.ndarray:
        index = np.arange(len(self.training))
        found = [gaussian.measure_without(self.training, index)[0] for gaussian in self.gaussians]
        squared = np.minimum.reduce(found)
        alone = np.isinf(squared)
        scores = np.sqrt(squared)
        scores[alone] = self.score({"embedding": self.training[alone]})
        return scores


def _shrunk(rows: Rows) -> Gaussian:
    """Fit a Gaussian with the covariance of Ledoit and Wolf."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    count = len(rows.values)
    variance = rows.values.var(axis=0).mean()
    if variance <= SAME * np.square(rows.values).mean():
        # Clips that coincide have no spread to measure by: the distance is Euclidean.
        return Gaussian.fit(rows, np.ones(count), scale=1.0, ridge=1.0)
    share = float(ledoit_wolf_shrinkage(rows.values))
    # Where nothing is shrunk a dimension without variance would make the covariance singular.
    ridge = max(share, 1e-9) * variance
    return Gaussian.fit(rows, np.ones(count), scale=1.0 - share, ridge=ridge)


Mahalanobis.Fitted = Ellipsoids
