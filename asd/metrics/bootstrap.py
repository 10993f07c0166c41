"""How far a figure would move with other test clips: bootstrap over the clips of each section.

The clips of a section are drawn with replacement among those of equal domain and label, so every
resample has the ground truth's counts and every area that was defined stays defined. The draws
depend on the seed, the section and its ground truth, never on the scores: two systems see the same
resamples, and their difference is a paired one.

Resamples of clips that a system orders without a fault are without one too: they would say 100 to
100 of two clips. Where an area is perfect (or the worst), or is made of fewer than :data:`FEW`
clips of a kind, the interval is therefore that of the binomial distribution (Clopper and Pearson):
of so many independent pairs of an anomaly and a normal clip as there are, that share is in order.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd.metrics.official import evaluate, harmonic_mean
from asd.metrics.roc import Floats, resampled_auc, standardised
from asd.metrics.rules import Rules, Section

LEVEL = 0.95
FEW = 10  # clips of a kind, below which resamples of them say too little
BLOCK = 1_000_000  # clips resampled at once: bounds the memory of sections with very many clips


@dataclass(frozen=True)
class Interval:
    """A percentile interval: the middle 95 % of the resamples."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resamples:
    """The scores (R,) of one system in each resample, by machine type; ``""`` is over all.

    Attributes:
        plain: of the resamples themselves, in which two systems are paired: what differences are
            made of.
        bounded: with perfect areas, and those of few clips, drawn by their exact bounds: what
            intervals of scores are made of.
    """

    plain: Mapping[str, Floats]
    bounded: Mapping[str, Floats]


@dataclass(frozen=True)
class Difference:
    """The score of one system less that of another, with the interval of the paired difference."""

    value: float
    interval: Interval


Comparison = Mapping[str, Difference]
"""The difference of two systems, by machine type; ``""`` is over all."""


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
    plain: dict[str, list[Floats]] = {}
    bounded: dict[str, list[Floats]] = {}
    for section in sorted(sections, key=lambda section: (section.machine, section.section)):
        of_clips, by_bound = _resampled_areas(section, rules, resamples, seed)
        plain.setdefault(section.machine, []).extend(of_clips)
        bounded.setdefault(section.machine, []).extend(by_bound)
    return Resamples(_means(plain, rules, resamples), _means(bounded, rules, resamples))


def interval(samples: Floats, value: float = np.nan) -> Interval:
    """Return the percentile interval of samples (R,), which holds ``value`` where one is given.

    It is NaN to NaN where the samples are undefined.
    """
    outside = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(samples, [outside, 100.0 - outside])
    return Interval(float(np.fmin(low, value)), float(np.fmax(high, value)))


def difference(values: tuple[float, float], samples: tuple[Floats, Floats]) -> Difference:
    """Return the paired difference of the first system less the second."""
    return Difference(values[0] - values[1], interval(samples[0] - samples[1]))


def compare(
    first: Sequence[Section],
    second: Sequence[Section],
    rules: Rules,
    resamples: int,
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
        >>> round(found[""].value, 3), found[""].interval.low >= 0
        (0.257, True)
    """
    _check_same(first, second)
    ours, theirs = (evaluate(sections, rules).scores for sections in (first, second))
    our_samples, their_samples = (
        resample(sections, rules, resamples, seed).plain for sections in (first, second)
    )
    return {
        machine: difference(
            (ours[machine], theirs[machine]), (our_samples[machine], their_samples[machine])
        )
        for machine in ours
    }


def over_seeds(
    runs: Sequence[Sequence[Section]],
    rules: Rules,
    resamples: int,
    seed: int,
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
        drawn = resample(sections, rules, resamples, seed)
        if less:
            _check_same(less[place], sections)
            value -= evaluate(less[place], rules).score
            theirs = resample(less[place], rules, resamples, seed)
            samples.append(drawn.plain[""] - theirs.plain[""])
        else:
            samples.append(drawn.bounded[""])
        values.append(value)
    mean = float(np.mean(values))
    return Difference(mean, interval(np.mean(samples, axis=0), np.nan if less else mean))


def _draw(rng: np.random.Generator, resamples: int, size: int) -> NDArray[np.int_]:
    """Return the counts (R, ``size``) of ``size`` draws with replacement, R times."""
    drawn = rng.integers(0, size, size=(resamples, size))
    drawn += size * np.arange(resamples)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size)


def _resampled_areas(
    section: Section, rules: Rules, resamples: int, seed: int
) -> tuple[list[Floats], list[Floats]]:
    """Return each area of the rules (R,) that is defined: of resamples, and by exact bounds."""
    counts = resample_counts(section, resamples, seed)
    rows = max(1, BLOCK // max(1, counts.shape[1]))
    plain, bounded = [], []
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
        plain.append(np.concatenate(blocks))
        anomalies, normals = int(labels.sum()), int((~labels).sum())
        once = np.ones((1, len(labels)), np.int64)
        value = float(resampled_auc(labels, scores, once, measure.max_fpr)[0])
        least = standardised(0.0, measure.max_fpr)
        if min(anomalies, normals) < FEW or not least < value < 1.0:
            # The range up to max_fpr has that share of the normal clips.
            pairs = min(anomalies, measure.max_fpr * normals)
            share = (value - least) / (1.0 - least)
            drawn = _by_bound(share, pairs, _uniform(section, resamples, seed))
            bounded.append(least + (1.0 - least) * drawn)
        else:
            bounded.append(plain[-1])
    return plain, bounded


def _by_bound(share: float, pairs: float, uniform: Floats) -> Floats:
    """Return shares (R,) of pairs in order, whose quantiles are the exact bounds of a share.

    Args:
        share: of the pairs that were seen in order.
        pairs: how many independent ones there are.
        uniform: (R,) the quantiles.
    """
    if share == 1.0:
        return np.where(uniform < 0.5, uniform ** (1.0 / pairs), 1.0)
    from scipy.special import betaincinv

    right, wrong = share * pairs, (1.0 - share) * pairs
    low = betaincinv(right, wrong + 1.0, uniform) if right else np.zeros_like(uniform)
    return np.where(uniform < 0.5, low, betaincinv(right + 1.0, wrong, uniform))


def binomial(found: int, count: int) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson), ``found`` of ``count`` > 0.

    Example:
        >>> [round(end, 2) for end in binomial(4, 4)]
        [0.4, 1.0]
    """
    ends = np.array([0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)])
    low, high = _by_bound(found / count, count, ends)
    return float(low), float(high)


def _uniform(section: Section, resamples: int, seed: int) -> Floats:
    """Return R numbers evenly spread over (0, 1), in a random order of the section's own."""
    rng = np.random.default_rng([seed, zlib.crc32(str(section).encode()), 1])
    return (rng.permutation(resamples) + 0.5) / resamples


def _means(
    areas: Mapping[str, Sequence[Floats]], rules: Rules, resamples: int
) -> dict[str, Floats]:
    """Return the mean (R,) of areas (R,) each, by machine type and over all (``""``)."""
    flat = [values for of_machine in areas.values() for values in of_machine]
    return {
        machine: _mean(values, rules, resamples) for machine, values in {"": flat, **areas}.items()
    }


def _mean(areas: Sequence[Floats], rules: Rules, resamples: int) -> Floats:
    if not areas:
        return np.full(resamples, np.nan)
    stacked = np.stack(areas)
    means: Floats = (
        stacked.mean(axis=0) if rules.mean == "arithmetic" else harmonic_mean(stacked, axis=0)
    )
    return means


def ground_truth(sections: Sequence[Section], machine: str = "") -> dict[str, tuple[object, ...]]:
    """Return the clips of each section with label and domain: what systems are compared on.

    Args:
        sections: the sections.
        machine: of which machine; ``""`` for all.
    """
    return {
        str(section): (section.names, section.labels.tolist(), section.domains.tolist())
        for section in sections
        if machine in ("", section.machine)
    }


def _check_same(first: Sequence[Section], second: Sequence[Section]) -> None:
    if ground_truth(first) != ground_truth(second):
        raise ValueError("the two systems were not scored on the same clips")
