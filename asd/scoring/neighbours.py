"""Distance to the nearest clips of the section: the paper's Eq. 7 and what goes beyond it.

Local density normalisation: a distance to a reference is measured by how dense the set is there.
LDN: A(x) = min_y D(x, y) / d(y), d(y) being the mean distance of y to its K nearest neighbours in
the reference set. VarMin: A(x) = log D(x, y) - w log d(y) for the nearest y, w minimising the
variance of the scores of the training clips, each left out; w = 0 is the plain nearest neighbour.
(Minimising over y as well has no such w worth having: the variance falls as w grows, until a few
outlying y with the largest d(y) are nearest to every clip.)

D is the distance as :class:`asd.scoring.distances.Space` has it, 1 - cos for the cosine. Half of
that, as these methods are published, gives the same LDN, and VarMin less a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from asd.config import Positive, Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import (
    SAME,
    Distance,
    Space,
    blocks,
    largest_cosines,
    mean_of_smallest,
    nearest,
    settled,
    unit_rows,
)
from asd.scoring.references import Count, ReferenceSettings, Rows, reference_rows
from asd.scoring.repeatable import repeatable

_PARTS = 5  # of the training clips that VarMin's weight is found with, each left out in turn


class NeighbourSettings(ReferenceSettings):
    """How neighbours are compared; the defaults are the paper's Eq. 7.

    Attributes:
        distance: ``cosine``, ``euclidean`` or ``standardised`` (see :class:`Space`).
        k: the score is the mean over the k nearest.
        centroids: k-means centroids that stand for the source clips; 0 keeps the clips.
        density: ``none``, ``ldn`` or ``varmin``.
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
    """

    Config: ClassVar[type[Settings]] = NeighbourSettings
    config: NeighbourSettings

    def fit_section(self, training: Training) -> SectionModel:
        """Make the section's reference sets."""
        model, count = self._without_weight(training), len(training.domains)
        if self.config.density != "varmin" or count < 2:
            return model
        part = np.arange(count) % _PARTS
        measured = []
        for out in (part == number for number in range(min(_PARTS, count))):
            without = self._without_weight(training.only(~out))
            clips = without.space.map(training.arrays["embedding"][out])
            measured.append(without.measured(clips))
        return replace(model, weight=varmin_weight(*np.concatenate(measured, axis=1)))

    def _without_weight(self, training: Training) -> NeighbourModel:
        embedding, config = training.arrays["embedding"], self.config
        space = Space.of(config.distance, embedding)
        sets = tuple(
            _points(rows, space, config)
            for rows in reference_rows(embedding, training.domains, space, config)
        )
        dense = () if config.density == "none" else sets
        densities = tuple(local_density(one, config.density_k) for one in dense)
        return NeighbourModel(config, space, sets, densities)


class Cosine(Neighbours):
    """Score 1 - max_k cos(test embedding, training embedding k of the same section) (Eq. 7).

    It is :class:`Neighbours` with its defaults: one nearest neighbour among all training clips.
    """

    Config = Settings

    def __init__(self, config: Any) -> None:
        super().__init__(NeighbourSettings())


@dataclass(frozen=True)
class Points:
    """What clips are compared with.

    Attributes:
        space: where.
        rows: (M, D) points, mapped or not.
        mapped: whether they are.
    """

    space: Space
    rows: np.ndarray
    mapped: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def values(self) -> np.ndarray:
        """The mapped points (M, D) float64."""
        return self._values(slice(None))

    def _values(self, some: np.ndarray | slice) -> np.ndarray:
        rows = self.rows[some]
        return rows if self.mapped else self.space.map(rows)

    @cached_property
    def _single(self) -> np.ndarray:
        if self.rows.dtype == np.float32 and not self.mapped:
            unit = unit_rows(self.rows)
            if unit is not None:
                return unit
        # All points in double precision would be kept for the sake of a few.
        return self._values(slice(None)).astype(np.float32)

    def nearest(self, clips: np.ndarray) -> np.ndarray:
        """Return the distance (n,) of mapped clips (n, D) to the nearest point."""
        if self.space.distance != "cosine":
            return self.distances(clips).min(axis=1)
        return settled(1.0 - largest_cosines(clips, self._single, self._values), 1.0)

    def distances(self, clips: np.ndarray) -> np.ndarray:
        """Return the distances (n, M) of mapped clips (n, D)."""
        return self.space.between(clips, self.values)


@dataclass(frozen=True)
class NeighbourModel:
    """The reference sets of one section.

    Attributes:
        config: how to compare.
        space: where to compare.
        sets: one or two reference sets.
        densities: (M,) d(y) of each point of each set; none where they are not used.
        weight: VarMin's w; 0 for the others.
    """

    config: NeighbourSettings
    space: Space
    sets: tuple[Points, ...]
    densities: tuple[np.ndarray, ...]
    weight: float = 0.0

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        clips = self.space.map(outputs["embedding"])
        if self.config.k > 1 or self.densities:
            level, thinness = self.measured(clips)
            return level - self.weight * thinness
        scores = np.empty(len(clips))
        for block in blocks(len(clips), max(map(len, self.sets))):
            scores[block] = np.min([part.nearest(clips[block]) for part in self.sets], axis=0)
        return scores

    def measured(self, clips: np.ndarray) -> np.ndarray:
        """Return what the scores of mapped clips (n, D) are made of, by the nearer of the sets.

        Returns:
            (2, n): the level, and the log-density that the weight applies to (0 but for VarMin).
        """
        measured = np.empty((2, len(clips)))
        for block in blocks(len(clips), max(map(len, self.sets))):
            found = np.array([self._against(i, clips[block]) for i in range(len(self.sets))])
            nearer = found[:, 0].argmin(axis=0)
            measured[:, block] = np.take_along_axis(found, nearer[None, None], axis=0)[0]
        return measured

    def _against(self, number: int, clips: np.ndarray) -> np.ndarray:
        """Return level and log-density (2, n) of mapped clips against one of the sets."""
        apart, k = self.sets[number].distances(clips), self.config.k
        if self.config.density == "varmin":
            return np.stack(nearest_with_density(apart, self.densities[number], k))
        if self.config.density == "ldn":
            apart = apart / self.densities[number]
        return np.stack([mean_of_smallest(apart, k), np.zeros(len(clips))])


def local_density(points: Points, k: int) -> np.ndarray:
    """Return the mean distance d(y) (M,) of each point to its k nearest others, above 0.

    A point that coincides with its K neighbours takes the smallest positive d(y) of the set, and
    a point with no neighbour, or a set whose points all coincide, takes 1: nothing to judge by.
    """
    density = np.empty(len(points))
    for block in blocks(len(points), len(points)):
        apart = points.distances(points.values[block])
        rows = np.arange(len(apart))
        apart[rows, rows + block.start] = np.inf
        density[block] = mean_of_smallest(apart, k)
    positive = density[(density > 0) & np.isfinite(density)]
    least = positive.min() if positive.size else 1.0
    return np.where(np.isfinite(density), np.maximum(density, least), 1.0)


def nearest_with_density(
    apart: np.ndarray, density: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of log D(x, y) and of log d(y) over the k nearest y, both (n,).

    Args:
        apart: D(x, y) (n, M).
        density: d(y) (M,).
        k: how many neighbours.

    Returns:
        The two means.
    """
    near = nearest(apart, k)
    # Logarithms of distances stop here: what is nearer is the same clip.
    logs = np.log(np.maximum(np.take_along_axis(apart, near, axis=1), SAME))
    return logs.mean(axis=1), np.log(density[near]).mean(axis=1)


def varmin_weight(level: np.ndarray, thinness: np.ndarray) -> float:
    """Return the w that minimises the variance of level - w thinness, both (N,).

    It is the slope of the regression of the one on the other; 0 where the density is the same
    everywhere, so that nothing can be told from it.
    """
    centred = thinness - thinness.mean()
    spread = centred @ centred
    if spread <= SAME * np.square(thinness).sum():
        return 0.0
    return float(centred @ (level - level.mean()) / spread)


def _points(rows: Rows, space: Space, config: NeighbourSettings) -> Points:
    """Return reference rows as points, the source clips replaced by centroids if any are wanted.

    The centroids are means of mapped rows and are not mapped again: for the cosine a centroid is
    shorter than 1, the more so the wider its cluster.
    """
    if not config.centroids or rows.sources <= config.centroids:
        return Points(space, rows.values)
    from sklearn.cluster import KMeans

    mapped = space.map(rows.values)
    source = mapped[: rows.sources]
    with repeatable():
        labels = KMeans(config.centroids, n_init=4, random_state=config.seed).fit_predict(source)
    used, labels, members = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.zeros((len(used), mapped.shape[1]))
    np.add.at(centres, labels, source)
    centres /= members[:, None]
    return Points(space, np.concatenate([centres, mapped[rows.sources :]]), mapped=True)


Neighbours.Fitted = NeighbourModel
