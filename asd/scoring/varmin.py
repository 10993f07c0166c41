"""VarMin in its logarithmic form: neighbours judged by how sparse the clips are about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asd.config import Positive
from asd.scoring.bands import LEAST, LevelRange, LevelScorer, LevelSettings, floored_space
from asd.scoring.base import SectionModel, Training
from asd.scoring.distances import Space, blocks

_LITTLE = 1e-12


class VarMinSettings(LevelSettings):
    """How clips are compared.

    Attributes:
        distance: ``standardised`` with the floor, ``euclidean`` or ``cosine``.
        k: K, how many neighbours tell how sparse the clips are about one.
    """

    distance: Literal["standardised", "euclidean", "cosine"] = "standardised"
    k: Positive = 4


class VarMin(LevelScorer):
    """Score by min over y of log d(x, y) - a log b(y), y being the section's training clips.

    b(y) is the mean distance of y to its K nearest training clips. a is the slope of the regression
    of log d on log b over the training clips, each with its nearest one: with it their scores vary
    the least; see :func:`_slope` for its bounds. A clip in a sparse part of the bank may lie
    farther from its neighbour than one in a dense part. (BEYOND the paper; the ``varmin`` of the
    neighbours scorer takes the nearest y alone.) Where there are fewer than two clips to measure b,
    the score is log d alone.
    """

    Config = VarMinSettings
    config: VarMinSettings

    def fit_section(self, training: Training) -> SectionModel:
        """Measure how sparse the section's clips are, and the slope."""
        embedding, kind = training.arrays["embedding"], self.config.distance
        floored = kind == "standardised"
        space = (
            floored_space(embedding, self.config.floor) if floored else Space.of(kind, embedding)
        )
        points = space.map(embedding)
        near, apart = _neighbours(space, points, self.config.k)
        sparsity, slope = np.zeros(len(points)), 0.0
        if len(points) > 1:
            sparsity = np.log(apart.mean(axis=1) + LEAST)
            slope = _slope(sparsity[near], np.log(apart.min(axis=1) + LEAST))
        within = LevelRange.of(training.arrays, training.domains, self.config.level)
        return VarMinModel(space, within, points, slope * sparsity)


@dataclass(frozen=True)
class VarMinModel:
    """The training clips of one section.

    Attributes:
        space: where clips are compared.
        within: the range of levels that clips are brought into; the bank stays as it is.
        points: (N, D) float64, the training clips in the space.
        taken_off: (N,) a log b.
    """

    space: Space
    within: LevelRange
    points: np.ndarray
    taken_off: np.ndarray

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        clips = self.space.map(self.within.brought(outputs))
        scores = np.empty(len(clips))
        for block in blocks(len(clips), len(self.points)):
            levels = np.log(self.space.between(clips[block], self.points) + LEAST)
            scores[block] = (levels - self.taken_off).min(axis=1)
        return scores


def _neighbours(space: Space, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other (N,) of each mapped point (N, D), the first of several at the same
    distance, and the distances (N, k') of its k' = min(k, N - 1) nearest others.
    """
    near = np.zeros(len(points), np.intp)
    apart = np.empty((len(points), min(k, len(points) - 1)))
    for block in blocks(len(points), len(points)):
        distances = space.between(points[block], points)
        rows = np.arange(len(distances))
        distances[rows, rows + block.start] = np.inf
        near[block] = distances.argmin(axis=1)
        if apart.shape[1]:
            distances.partition(apart.shape[1] - 1, axis=1)
            apart[block] = np.sort(distances[:, : apart.shape[1]], axis=1)
    return near, apart


def _slope(sparsity: np.ndarray, level: np.ndarray) -> float:
    """Return the slope of the regression of level on sparsity, both (N,).

    It is 0 where the clips are as sparse everywhere, so that nothing can be told from it, and kept
    within 0, plain distances, and 1, distances as shares of b. Of 50 clips or more it has been
    there on all genuine banks (.3 to .99); of 3 to 10 clips it is chance, from -570 to 160.
    """
    x, y = sparsity - sparsity.mean(), level - level.mean()
    slope = (x * y).sum() / (np.square(x).sum() + _LITTLE)
    return float(np.clip(slope, 0.0, 1.0))


VarMin.Fitted = VarMinModel
