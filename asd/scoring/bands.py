"""How far single bands lie from the normal clips: for faults that few bands tell of.

An embedding of a clip has a value for each band, as features (F, T) pooled over time. A distance
over all of them drowns what happens in a few in the chance of the many; here each band is judged
by itself, and the most unusual ones count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from pydantic import Field

from asd.config import Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import Space
from asd.scoring.level import LevelRange

LEAST = 1e-9
"""What is added to a distance in deviations before its logarithm, so that it is finite."""


class BandSettings(Settings):
    """How bands are judged.

    Attributes:
        share: of the bands that count, those that lie farthest; one band or more.
        floor: the least deviation of a band, as a share of the median over bands.
        level: the array of the bank with the level of each clip, for embeddings in decibels; clips
            are brought into the range of the training clips (see :mod:`asd.scoring.level`). None
            compares them as they are.
    """

    share: float = Field(0.1, gt=0, le=1)
    floor: float = Field(0.25, ge=0)
    level: str | None = None


class Bands(Scorer):
    """Score by the distance to the nearest clip of the section in each band on its own.

    Each band is measured in deviations of the section's training clips (see
    :func:`floored_space`). The distance of a clip in a band is that to the training clip that is
    nearest *in this band*; the score is the logarithm of the mean over the largest ``share`` of
    the bands. (BEYOND the paper; per-band neighbours as in BEAM, of which the mean over all bands
    is taken.)

    In the training scores a clip is left out of those that it is compared with; the standardisation
    and the range of levels stay those of the whole section. The only clip of a section is compared
    with itself.
    """

    Config: ClassVar[type[Settings]] = BandSettings
    needs: ClassVar[Mapping[str, tuple[int, ...]]] = {"embedding": (2,)}

    def __init__(self, config: Settings) -> None:
        self.config = cast(BandSettings, config)
        if self.config.level is not None:
            self.needs = {**self.needs, self.config.level: (2,)}  # type: ignore[misc]

    def fit_section(self, training: Training) -> SectionModel:
        """Sort the section's clips in each band."""
        embedding, level = training.arrays["embedding"], self.config.level
        space = floored_space(embedding, self.config.floor)
        points = np.ascontiguousarray(space.map(embedding).T)
        order = np.argsort(points, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(embedding))[None], axis=1)
        within = LevelRange.of(training.arrays, training.domains, level)
        return BandModel(
            config=self.config,
            space=space,
            within=within,
            clips=within.brought(training.arrays, level),
            ordered=np.take_along_axis(points, order, axis=1),
            rank=rank.astype(np.int32),
        )


@dataclass(frozen=True)
class BandModel:
    """The bands of one section's clips.

    Attributes:
        config: how bands are judged.
        space: in which they are measured.
        within: the range of levels that clips are brought into; the bank stays as it is.
        clips: (N, F) float64, the training clips as they are scored.
        ordered: (F, N) float64, each band's values in the space, ascending.
        rank: (F, N) int32, where each training clip is in that order.
    """

    config: BandSettings
    space: Space
    within: LevelRange
    clips: np.ndarray
    ordered: np.ndarray
    rank: np.ndarray

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        clips = self.within.brought(outputs, self.config.level)
        return self._scored(_nearest_in_band(self.ordered, self.space.map(clips)))

    def training_scores(self) -> np.ndarray:
        """Return the leave-one-out scores (N,)."""
        rank = self.rank if len(self.clips) > 1 else None
        return self._scored(_nearest_in_band(self.ordered, self.space.map(self.clips), rank))

    def _scored(self, apart: np.ndarray) -> np.ndarray:
        """Return the scores (n,) for the distances (n, F) in each band."""
        count = max(1, round(self.config.share * apart.shape[1]))
        largest = np.partition(apart, apart.shape[1] - count, axis=1)[:, -count:]
        scores: np.ndarray = np.log(largest.mean(axis=1) + LEAST)
        return scores


def floored_space(embedding: np.ndarray, floor: float) -> Space:
    """Return a standardised space for embeddings (N, F) read as bands.

    Each band has the mean 0 and deviation 1 of the training clips, but none is measured in less
    than ``floor`` times the median deviation of all bands: in a band where a few clips happen to
    agree, or where there is no sound, every other clip would lie infinitely far.
    """
    deviation = embedding.std(axis=0, dtype=np.float64)
    least = floor * np.median(deviation) + 1e-6
    mean = embedding.mean(axis=0, dtype=np.float64)
    return Space("standardised", mean, np.maximum(deviation, least))


def _nearest_in_band(
    ordered: np.ndarray, clips: np.ndarray, left_out: np.ndarray | None = None
) -> np.ndarray:
    """Return the distance (n, F) of clips (n, F) to the nearest of the values (F, N) of each band.

    Args:
        ordered: the training clips' values, ascending in each band.
        clips: what is compared.
        left_out: (F, n) the place of the value that is left out for each clip; none if not given.
    """
    apart = np.empty_like(clips)
    for band, values in enumerate(ordered):
        own = clips[:, band]
        above = np.searchsorted(values, own)
        below = above - 1
        if left_out is not None:
            above = above + (above == left_out[band])
            below = below - (below == left_out[band])
        # Beyond the ends there is no neighbour.
        ended = np.concatenate([[-np.inf], values, [np.inf]])
        apart[:, band] = np.minimum(own - ended[below + 1], ended[above + 1] - own)
    return apart


Bands.Fitted = BandModel
