"""Bins for a section's scores: the same in the report and in the PNG files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd.report.axes import spread, ticks
from asd.report.scores import ScoredSection

BINS = 28
_SKEWED = 10.0  # highest score to median, from which on a linear axis has one crowded end


@dataclass(frozen=True, eq=False)
class Bins:
    """The axis of a histogram of scores.

    Attributes:
        edges: (BINS + 1,) rising; equal steps, or equal ratios on a logarithmic axis.
        logarithmic: whether the axis is logarithmic.
    """

    edges: NDArray[np.float64]
    logarithmic: bool

    def place(self, value: float) -> float:
        """Return where a value lies between the ends of the axis, 0 to 1."""
        low, high = (self._scaled(end) for end in (self.edges[0], self.edges[-1]))
        return (self._scaled(value) - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return round values on the axis."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        if not self.logarithmic:
            return ticks(low, high)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high < 300 * low else (1,)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if low <= value <= high]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else float(value)


def bins_of(section: ScoredSection) -> Bins:
    """Return bins that hold every score of a section and its thresholds.

    Distances are positive and often many times larger for the clearest anomalies than for most
    clips: their axis is logarithmic, so that the place where decisions are made can be seen.
    """
    values = np.append(section.scores, list(section.cuts.values()))
    logarithmic = bool(values.min() > 0 and values.max() > _SKEWED * np.median(values))
    scaled = np.log10(values) if logarithmic else values
    edges = np.linspace(*spread(scaled.tolist(), margin=0.02), BINS + 1)
    return Bins(10.0**edges if logarithmic else edges, logarithmic)
