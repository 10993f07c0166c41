"""Distance to the nearest clips of the section: the paper's Eq. 7 and what goes beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import numpy as np

from asd.config import Positive, Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.density import (
    Density,
    local_density,
    nearest_with_density,
    varmin_weight,
)
from asd.scoring.distances import Distance, Space, blocks, mean_of_smallest
from asd.scoring.points import Points, points
from asd.scoring.references import Count, ReferenceSettings, reference_rows


class NeighbourSettings(ReferenceSettings):
    """How neighbours are compared; the defaults are the paper's Eq. 7.

    Attributes:
        distance: ``cosine``, ``euclidean`` or ``standardised`` (see :class:`Space`).
        k: the score is the mean over the k nearest.
        centroids: k-means centroids that stand for the source clips; 0 keeps the clips.
        density: ``none``, ``ldn`` or ``varmin`` (see :mod:`asd.scoring.density`).
        density_k: K, the neighbours that a reference's density is taken from.
    """

    distance: Distance = "cosine"
    k: Positive = 1
    centroids: Count = 0
    density: Literal["none", "ldn", "varmin"] = "none"
    density_k: Positive = 1


class Neighbours(Scorer):
    """Score by the distance to the k nearest references of the section.

    With two reference sets each is searched on its own and the smaller score counts; for VarMin
    that of the nearer set, for only then is there one weight with the least variance.

    In the training scores a clip is left out of everything that it is compared with: itself, the
    synthetic clips made of it, its part in a centroid, and its part in the density of others. What
    is fitted to the whole section stays: the standardisation, the clusters and VarMin's weight.
    """

    Config: ClassVar[type[Settings]] = NeighbourSettings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"embedding": (2,)}

    def __init__(self, config: Settings) -> None:
        self.config = cast(NeighbourSettings, config)

    def fit_section(self, training: Training) -> SectionModel:
        """Make the section's reference sets."""
        return fit_neighbours(training.arrays["embedding"], training.domains, self.config)


def fit_neighbours(
    embedding: np.ndarray, domains: np.ndarray, config: NeighbourSettings
) -> NeighbourModel:
    """Make the reference sets of a section's training clips.

    Args:
        embedding: (N, D) of the training clips.
        domains: (N,) their domains.
    """
    space = Space.of(config.distance, embedding)
    sets = tuple(
        points(rows, len(embedding), space, config.centroids, config.seed)
        for rows in reference_rows(embedding, domains, space, config)
    )
    densities = (
        tuple(local_density(part, config.density_k) for part in sets)
        if config.density != "none"
        else ()
    )
    model = NeighbourModel(config, space, embedding, sets, densities)
    return model.with_weight() if config.density == "varmin" else model


@dataclass(frozen=True)
class NeighbourModel:
    """The reference sets of one section.

    Attributes:
        config: how to compare.
        space: where to compare.
        embedding: (N, D) of the training clips.
        sets: one or two reference sets.
        densities: their densities; none where they are not used.
        weight: VarMin's w; 0 for the others.
    """

    config: NeighbourSettings
    space: Space
    embedding: np.ndarray
    sets: tuple[Points, ...]
    densities: tuple[Density, ...]
    weight: float = 0.0

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        clips = self.space.map(outputs["embedding"])
        if self.config.k > 1 or self.densities:
            return self._scored(self._measure(clips))
        scores = np.empty(len(clips))
        for block in self._blocks(len(clips)):
            scores[block] = np.min([part.nearest(clips[block]) for part in self.sets], axis=0)
        return scores

    def training_scores(self) -> np.ndarray:
        """Return the leave-one-out scores (N,)."""
        training = self.space.map(self.embedding)
        scores = self._scored(self._measure(training, left_out=True))
        alone = np.isinf(scores)
        scores[alone] = self._scored(self._measure(training[alone]))
        return scores

    def with_weight(self) -> NeighbourModel:
        """Return the model with the weight that minimises the variance of its training scores."""
        level, thinness = self._measure(self.space.map(self.embedding), left_out=True)
        return replace(self, weight=varmin_weight(level, thinness))

    def _blocks(self, count: int) -> Iterator[slice]:
        return blocks(count, max(len(part) for part in self.sets))

    def _scored(self, measured: np.ndarray) -> np.ndarray:
        level, thinness = measured
        scores: np.ndarray = level - self.weight * thinness
        return scores

    def _measure(self, clips: np.ndarray, left_out: bool = False) -> np.ndarray:
        """Return what the scores of mapped clips (n, D) are made of, by the nearer of the sets.

        Args:
            clips: mapped clips; all the training clips where each is to be left out.
            left_out: leave each clip out of what it is compared with.

        Returns:
            (2, n): the level, and the log-density that the weight applies to (0 but for VarMin).
        """
        measured = np.empty((2, len(clips)))
        for block in self._blocks(len(clips)):
            index = np.arange(len(clips))[block] if left_out else None
            found = np.array([self._against(i, clips[block], index) for i in range(len(self.sets))])
            nearer = found[:, 0].argmin(axis=0)
            measured[:, block] = np.take_along_axis(found, nearer[None, None], axis=0)[0]
        return measured

    def _against(self, number: int, clips: np.ndarray, index: np.ndarray | None) -> np.ndarray:
        """Return level and log-density (2, n) of mapped clips against one of the sets."""
        part, k = self.sets[number], self.config.k
        apart = part.distances(clips) if index is None else part.distances_without(clips, index)
        nothing = np.zeros(len(clips))
        if not self.densities:
            return np.stack([mean_of_smallest(apart, k), nothing])
        of_set = self.densities[number]
        density = of_set.whole if index is None else of_set.without(index)
        if self.config.density == "ldn":
            return np.stack([mean_of_smallest(apart / density, k), nothing])
        return np.stack(nearest_with_density(apart, density, k))


Neighbours.Fitted = NeighbourModel
