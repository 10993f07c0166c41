"""All the figures of one system in one object, and as JSON that DVC reads as metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asd.metrics.bootstrap import Comparison, Difference, Interval, interval, resample
from asd.metrics.official import Evaluation, evaluate
from asd.metrics.rules import Rules
from asd.metrics.section import System


@dataclass(frozen=True)
class Intervals:
    """The 95 % bootstrap intervals of a system's score and of its machines' scores."""

    score: Interval
    machines: Mapping[str, Interval]


@dataclass(frozen=True)
class Assessment:
    """What is known of one system.

    Attributes:
        name: the system's name.
        evaluation: the official figures.
        intervals: None where no bootstrap was asked for.
        unlabelled: sections without figures, and why.
        unusable: test clips that could not be read and have no score.
        digest: of the scores, decisions and ground truth that the figures are computed from.
    """

    name: str
    evaluation: Evaluation
    intervals: Intervals | None
    unlabelled: tuple[str, ...]
    unusable: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return nested mappings for JSON: fractions at full precision, None where undefined."""
        figures = self.evaluation.to_json()
        if self.intervals is not None:
            figures |= {"interval": _interval_json(self.intervals.score)}
            for machine, of_machine in self.intervals.machines.items():
                figures["machines"][machine] |= {"interval": _interval_json(of_machine)}
        return figures | {
            "clips": sum(section.clips for section in self.evaluation.sections),
            "unusable_clips": self.unusable,
            "unlabelled_sections": len(self.unlabelled),
            "undefined_values": list(self.evaluation.undefined),
            "unlabelled": list(self.unlabelled),
            "input_digest": self.digest,
        }


def assess(system: System, rules: Rules, resamples: int = 1000, seed: int = 0) -> Assessment:
    """Return the official figures of a system with their intervals.

    Args:
        system: its sections, as read by :func:`asd.metrics.results.read_systems`.
        rules: the year's rules.
        resamples: resamples of the bootstrap; 0 for no intervals.
        seed: seed of the bootstrap.
    """
    intervals = None
    if resamples:
        samples = resample(system.sections, rules, resamples, seed)
        machines = {machine: interval(values) for machine, values in samples.machines.items()}
        intervals = Intervals(interval(samples.score), machines)
    evaluation = evaluate(system.sections, rules)
    return Assessment(
        system.name, evaluation, intervals, system.unlabelled, system.unusable, system.digest
    )


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as nested mappings for JSON."""
    return {
        **_difference_json(comparison.score),
        "machines": {
            machine: _difference_json(difference)
            for machine, difference in comparison.machines.items()
        },
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "difference": None if math.isnan(difference.value) else difference.value,
        "interval": _interval_json(difference.interval),
    }


def _interval_json(given: Interval) -> dict[str, float | None]:
    if math.isnan(given.low):
        return {"low": None, "high": None}
    return {"low": given.low, "high": given.high}
