"""How far a figure would move with other test clips: bootstrap over the clips of each section.

The clips of a section are drawn with replacement among those of equal domain and label, so every
resample has the ground truth's counts and every area that was defined stays defined. The draws
depend on the seed, the section and its ground truth, never on the scores: two systems see the same
resamples, and their difference is a paired one.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd.metrics.official import evaluate, harmonic_mean
from asd.metrics.roc import Floats, resampled_auc
from asd.metrics.rules import Rules, Section

LEVEL = 0.95
BLOCK = 1_000_000  # clips resampled at once: bounds the memory of sections with very many clips


@dataclass(frozen=True)
class Interval:
    """A percentile interval: the middle 95 % of the resamples."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resamples:
    """The scores of one system in each resample.

    Attributes:
        score: (R,), the official score.
        machines: the score (R,) of each machine type.
    """

    score: Floats
    machines: Mapping[str, Floats]


@dataclass(frozen=True)
class Difference:
    """The score of one system less that of another, with the interval of the paired difference."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """The difference of two systems, over all and for each machine type."""

    score: Difference
    machines: Mapping[str, Difference]


def resample_counts(section: Section, resamples: int, seed: int) -> NDArray[np.int32]:
    """Return how often each clip occurs in each resample, (R, N), clips in the order of names.

    Args:
        section: gives the machine, the section, and the clips' domains and labels.
        resamples: R.
        seed: with the section's name, the seed of the draws.
    """
    rng = np.random.default_rng([seed, zlib.crc32(str(section).encode())])
    counts = np.zeros((resamples, len(section.names)), dtype=np.int32)
    for domain in np.unique(section.domains):
        for label in (False, True):
            stratum = np.flatnonzero((section.domains == domain) & (section.labels == label))
            if stratum.size:
                counts[:, stratum] = _draw(rng, resamples, stratum.size)
    return counts


def resample(sections: Sequence[Section], rules: Rules, resamples: int, seed: int = 0) -> Resamples:
    """Return the scores of a system in each resample.

    Args:
        sections: the sections with known labels.
        rules: the year's rules.
        resamples: how many, R.
        seed: two calls with one seed and one ground truth draw the same clips.
    """
    areas: dict[str, list[Floats]] = {}
    for section in sorted(sections, key=lambda section: (section.machine, section.section)):
        values = _resampled_areas(section, rules, resample_counts(section, resamples, seed))
        areas.setdefault(section.machine, []).extend(values)
    flat = [values for of_machine in areas.values() for values in of_machine]
    return Resamples(
        _mean(flat, rules, resamples),
        {machine: _mean(values, rules, resamples) for machine, values in areas.items()},
    )


def interval(samples: Floats, level: float = LEVEL) -> Interval:
    """Return the percentile interval of samples (R,); NaN to NaN where they are undefined."""
    outside = 50.0 * (1.0 - level)
    low, high = np.percentile(samples, [outside, 100.0 - outside])
    return Interval(float(low), float(high))


def compare(
    first: Sequence[Section],
    second: Sequence[Section],
    rules: Rules,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return the score of ``first`` less that of ``second``, over the same resampled clips.

    An interval that does not hold 0 means that other clips of the same sections would hardly turn
    the order of the two systems; it says nothing of other seeds or other machines.

    Raises:
        ValueError: the two systems were not scored on the same clips.

    Example:
        >>> from asd.metrics.rules import RULES
        >>> labels, domains = np.array([0, 0, 1, 1], bool), np.array([""] * 4)
        >>> def section(*scores):
        ...     return Section("fan", "00", ("a", "b", "c", "d"), labels, domains, np.array(scores))
        >>> found = compare([section(1, 2, 3, 4)], [section(1, 3, 2, 4)], RULES["2020"], 100)
        >>> round(found.score.value, 3), found.score.interval.low >= 0
        (0.257, True)
    """
    if _ground_truth(first) != _ground_truth(second):
        raise ValueError("the two systems were not scored on the same clips")
    scores = [evaluate(sections, rules) for sections in (first, second)]
    samples = [resample(sections, rules, resamples, seed) for sections in (first, second)]
    machines = {
        ours.machine: Difference(
            ours.score - theirs.score,
            interval(samples[0].machines[ours.machine] - samples[1].machines[ours.machine]),
        )
        for ours, theirs in zip(scores[0].machines, scores[1].machines, strict=True)
    }
    overall = Difference(
        scores[0].score - scores[1].score, interval(samples[0].score - samples[1].score)
    )
    return Comparison(overall, machines)


def over_seeds(
    runs: Sequence[Sequence[Section]],
    rules: Rules,
    resamples: int = 1000,
    seed: int = 0,
    less: Sequence[Sequence[Section]] = (),
) -> Difference:
    """Return the mean score of one system over the seeds of its training, with its interval.

    Every run sees the same resampled clips, so the interval is that of other test clips, for these
    trained networks; how far other seeds go is told by the spread over the runs.

    Args:
        runs: the sections of each run.
        rules: the year's rules.
        resamples: how many.
        seed: of the resamples.
        less: the runs of another system whose score is taken off, seed by seed.

    Raises:
        ValueError: the systems were not run over the same seeds, or not scored on the same clips.
    """
    if less and len(less) != len(runs):
        raise ValueError("the two systems were not run over the same seeds")
    values, samples = [], []
    for place, sections in enumerate(runs):
        value: float = evaluate(sections, rules).score
        sample = resample(sections, rules, resamples, seed).score
        if less:
            if _ground_truth(less[place]) != _ground_truth(sections):
                raise ValueError("the two systems were not scored on the same clips")
            value -= evaluate(less[place], rules).score
            sample = sample - resample(less[place], rules, resamples, seed).score
        values.append(value)
        samples.append(sample)
    return Difference(float(np.mean(values)), interval(np.mean(samples, axis=0)))


def _draw(rng: np.random.Generator, resamples: int, size: int) -> NDArray[np.int_]:
    """Return the counts (R, ``size``) of ``size`` draws with replacement, R times."""
    drawn = rng.integers(0, size, size=(resamples, size))
    drawn += size * np.arange(resamples)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size)


def _resampled_areas(section: Section, rules: Rules, counts: NDArray[np.int32]) -> list[Floats]:
    """Return each area of the rules (R,) that is defined in the section."""
    rows = max(1, BLOCK // max(1, counts.shape[1]))
    areas = []
    for measure in rules.measures:
        chosen = measure.clips(section)
        labels, scores = section.labels[chosen], section.scores[chosen]
        if not labels.any() or labels.all():
            continue
        of_chosen = counts[:, chosen]
        blocks = [
            resampled_auc(labels, scores, of_chosen[start : start + rows], measure.max_fpr)
            for start in range(0, len(counts), rows)
        ]
        areas.append(np.concatenate(blocks))
    return areas


def _mean(areas: Sequence[Floats], rules: Rules, resamples: int) -> Floats:
    if not areas:
        return np.full(resamples, np.nan)
    stacked = np.stack(areas)
    means: Floats = (
        stacked.mean(axis=0) if rules.mean == "arithmetic" else harmonic_mean(stacked, axis=0)
    )
    return means


def _ground_truth(sections: Sequence[Section]) -> dict[str, tuple[object, ...]]:
    return {
        str(section): (section.names, section.labels.tolist(), section.domains.tolist())
        for section in sections
    }
