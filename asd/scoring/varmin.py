"""VarMin in its logarithmic form: neighbours judged by how sparse the clips are about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import numpy as np
from pydantic import Field

from asd.config import Positive, Settings
from asd.scoring.bands import LEAST, floored_space
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import Space, blocks
from asd.scoring.level import LevelRange

_LITTLE = 1e-12


class VarMinSettings(Settings):
    """How clips are compared.

    Attributes:
        distance: ``standardised`` with the floor below, ``euclidean`` or ``cosine``.
        k: K, how many neighbours tell how sparse the clips are about one.
        floor: the least deviation of a dimension, as a share of the median over dimensions.
        level: the array of the bank with the level of each clip, for embeddings in decibels; clips
            are brought into the range of the training clips (see :mod:`asd.scoring.level`). None
            compares them as they are.
    """

    distance: Literal["standardised", "euclidean", "cosine"] = "standardised"
    k: Positive = 4
    floor: float = Field(0.25, ge=0)
    level: str | None = None


class VarMin(Scorer):
    """Score by min over y of log d(x, y) - a log b(y), y being the section's training clips.

    b(y) is the mean distance of y to its K nearest training clips. a is the slope of the regression
    of log d on log b over the training clips, each with its nearest one: with it the leave-one-out
    scores vary the least. A clip in a sparse part of the bank may lie farther from its neighbour
    than one in a dense part. (BEYOND the paper; the ``varmin`` of the neighbours scorer takes the
    nearest y alone.)

    In the training scores a clip is left out of everything but the standardisation and the range of
    levels: of what it is compared with, of b and of a. Where fewer than two clips are left to
    measure b, the score is log d alone; the only clip of a section is compared with itself.
    """

    Config: ClassVar[type[Settings]] = VarMinSettings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"embedding": (2,)}

    def __init__(self, config: Settings) -> None:
        self.config = cast(VarMinSettings, config)
        if self.config.level is not None:
            self.needs = {**self.needs, self.config.level: (2,)}  # type: ignore[misc]

    def fit_section(self, training: Training) -> SectionModel:
        """Measure how sparse the section's clips are, and the slope."""
        embedding, level = training.arrays["embedding"], self.config.level
        kind = self.config.distance
        floored = kind == "standardised"
        space = (
            floored_space(embedding, self.config.floor) if floored else Space.of(kind, embedding)
        )
        points = space.map(embedding)
        near, apart = _neighbours(space, points, self.config.k)
        sparsity = _log_mean(apart[:, : self.config.k])
        slope = 0.0
        if len(embedding) > 1:
            slope = float(_slope(sparsity[near[:, 0]][None], np.log(apart[:, 0] + LEAST)[None])[0])
        within = LevelRange.of(training.arrays, training.domains, level)
        return VarMinModel(
            config=self.config,
            space=space,
            within=within,
            clips=within.brought(training.arrays, level),
            points=points,
            near=near,
            apart=apart,
            sparsity=sparsity,
            slope=slope,
        )


@dataclass(frozen=True)
class VarMinModel:
    """The training clips of one section.

    Attributes:
        config: how they are compared.
        space: where.
        within: the range of levels that clips are brought into; the bank stays as it is.
        clips: (N, D) float64, the training clips as they are scored.
        points: (N, D) float64, the training clips in the space, which clips are compared with.
        near: (N, k') of each the nearest others, the nearest first, k' = min(K + 1, N - 1).
        apart: (N, k') how far these are.
        sparsity: (N,) log b.
        slope: a.
    """

    config: VarMinSettings
    space: Space
    within: LevelRange
    clips: np.ndarray
    points: np.ndarray
    near: np.ndarray
    apart: np.ndarray
    sparsity: np.ndarray
    slope: float

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        clips = self.space.map(self.within.brought(outputs, self.config.level))
        scores = np.empty(len(clips))
        for block in blocks(len(clips), len(self.points)):
            levels = np.log(self.space.between(clips[block], self.points) + LEAST)
            scores[block] = (levels - self.slope * self.sparsity).min(axis=1)
        return scores

    def training_scores(self) -> np.ndarray:
        """Return the leave-one-out scores (N,)."""
        clips = self.space.map(self.clips)
        scores = np.empty(len(clips))
        for block in blocks(len(clips), 4 * len(clips)):
            out = np.arange(len(clips))[block]
            levels = np.log(self.space.between(clips[block], self.points) + LEAST)
            if len(clips) > 1:
                sparsity, slope = self._without(out)
                levels -= slope[:, None] * sparsity
                levels[np.arange(len(out)), out] = np.inf
            scores[block] = levels.min(axis=1)
        return scores

    def _without(self, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log b (n, N) and a (n,) with each of the clips ``out`` left out in turn.

        Args:
            out: (n,) clips that follow each other in the bank.
        """
        sparsity = np.tile(self.sparsity, (len(out), 1))
        nearest = np.tile(self.near[:, 0], (len(out), 1))
        level = np.tile(np.log(self.apart[:, 0] + LEAST), (len(out), 1))
        # Only what has the clip among its K nearest changes by leaving it out.
        clip = self.near[:, : self.config.k]
        whose, place = np.nonzero((clip >= out[0]) & (clip <= out[-1]))
        row = clip[whose, place] - out[0]
        left = np.ones((len(whose), self.near.shape[1]), dtype=bool)
        left[np.arange(len(whose)), place] = False
        if left.shape[1] < 2:
            sparsity[row, whose] = 0.0
        else:
            mean = self.apart[whose].mean(axis=1, where=left)
            sparsity[row, whose] = np.log(mean + LEAST)
            row, moved = row[place == 0], whose[place == 0]
            nearest[row, moved] = self.near[moved, 1]
            level[row, moved] = np.log(self.apart[moved, 1] + LEAST)
        kept = np.ones(sparsity.shape, dtype=bool)
        kept[np.arange(len(out)), out] = False
        return sparsity, _slope(np.take_along_axis(sparsity, nearest, axis=1), level, kept)


def _neighbours(space: Space, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k + 1 nearest others (N, k') of each mapped point (N, D), and their distances.

    The nearest comes first; of several at the same distance the first of the bank.
    """
    wanted = min(k + 1, len(points) - 1)
    near = np.empty((len(points), wanted), np.intp)
    apart = np.empty((len(points), wanted))
    for block in blocks(len(points), len(points)):
        rows = np.arange(len(points))[block]
        distances = space.between(points[block], points)
        distances[np.arange(len(rows)), rows] = np.inf
        if wanted < len(points) - 1:
            found = np.sort(np.argpartition(distances, wanted, axis=1)[:, :wanted], axis=1)
        else:
            found = np.nonzero(np.isfinite(distances))[1].reshape(len(rows), wanted)
        of_found = np.take_along_axis(distances, found, axis=1)
        order = np.argsort(of_found, axis=1, kind="stable")
        near[block] = np.take_along_axis(found, order, axis=1)
        apart[block] = np.take_along_axis(of_found, order, axis=1)
    return near, apart


def _log_mean(apart: np.ndarray) -> np.ndarray:
    """Return log b (N,) from distances (N, k); 0 of a clip without neighbours."""
    if not apart.shape[1]:
        return np.zeros(len(apart))
    logs: np.ndarray = np.log(apart.mean(axis=1) + LEAST)
    return logs


def _slope(sparsity: np.ndarray, level: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
    """Return the slope (n,) of the regression of level on sparsity, both (n, N), in each row.

    It is 0 where the clips are as sparse everywhere, so that nothing can be told from it.

    Args:
        kept: (n, N) which of them count; all if not given.
    """
    kept = np.ones(sparsity.shape, dtype=bool) if kept is None else kept
    x = sparsity - sparsity.mean(axis=1, where=kept, keepdims=True)
    y = level - level.mean(axis=1, where=kept, keepdims=True)
    found: np.ndarray = (x * y).sum(axis=1, where=kept) / (
        np.square(x).sum(axis=1, where=kept) + _LITTLE
    )
    return found


VarMin.Fitted = VarMinModel
