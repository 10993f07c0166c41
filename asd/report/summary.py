"""What the results say in plain words, and no more than the figures show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from asd.metrics.bootstrap import Comparison, compare
from asd.metrics.rules import RULES, Section
from asd.report.material import Material
from asd.report.results import Figure
from asd.report.scores import ANOMALY, NORMAL, Rate, ScoredSection


def reading(material: Material) -> list[str]:
    """Return sentences that say what the figures mean, and no more than they show."""
    return [*_meaning(material), *_total(material), *_machines(material), *_alarms(material)]


def lead(material: Material) -> tuple[str, str, Comparison] | None:
    """Return the two best systems and the paired difference of their scores.

    Returns:
        None with fewer than two systems, without intervals, or where the two were not scored on
        the same clips.
    """
    results = material.results
    defined = {
        name: result.score.value
        for name, result in results.systems.items()
        if not math.isnan(result.score.value) and name in material.scores
    }
    ranked = sorted(defined, key=lambda name: -defined[name])
    if len(ranked) < 2 or not results.resamples or results.seeds > 1:
        return None
    first, second = ranked[:2]
    rules = RULES[results.rules]
    ours, theirs = (_labelled(material, name) for name in (first, second))
    try:
        return first, second, compare(ours, theirs, rules, results.resamples, results.seed)
    except ValueError:
        return None


def _meaning(material: Material) -> Iterator[str]:
    results = material.results
    rules = RULES[results.rules]
    if not results.machines:
        yield (
            "The test clips have no labels, so nothing can be said here of how well anomalies are"
            " found. What follows shows the scores, the threshold that the training clips set,"
            " and the clips that stand out most."
        )
        return
    parts = "AUC and pAUC" if len(rules.measures) > 1 else "AUC"
    yield (
        f"The score is the {rules.mean} mean of {parts}: how often a system gives an anomalous"
        " clip a higher score than a normal one, over all false-alarm rates (AUC) and over those"
        " up to 10 % (pAUC). Guessing gives about 50, a perfect order 100."
    )


def _total(material: Material) -> Iterator[str]:
    results = material.results
    best = results.best()
    if best is None:
        return
    score = results.systems[best].score
    if len(results.systems) == 1:
        yield f"System {best} reaches {_worded(score)}."
        return
    yield f"Over all machines system {best} is highest, at {_worded(score)}."
    found = lead(material)
    if found:
        _, second, comparison = found
        low, high = comparison.score.interval.low, comparison.score.interval.high
        verdict = (
            "other test clips would hardly turn that order"
            if low > 0
            else "other test clips could turn that order"
        )
        yield (
            f"It leads system {second} by {100 * comparison.score.value:.1f} points (95 % interval"
            f" of the difference {100 * low:.1f} to {100 * high:.1f}): {verdict}."
        )
    if results.resamples and results.seeds == 1:
        yield (
            "The intervals speak of other test clips of the same sections; another seed of the"
            " training moves a score as well."
        )


def _machines(material: Material) -> Iterator[str]:
    results = material.results
    if len(results.systems) < 2 or not results.machines:
        return
    led: dict[str, list[str]] = {}
    for machine in results.machines:
        name = results.best(machine)
        if name is not None:
            score = 100 * results.figure(name, machine).value
            led.setdefault(name, []).append(f"{machine} ({score:.1f})")
    if led:
        named = "; ".join(f"{name} for {', '.join(machines)}" for name, machines in led.items())
        yield (
            f"Best by machine: {named}. Read off the test set, the best of several looks a little"
            " better than it is."
        )


def _alarms(material: Material) -> Iterator[str]:
    name = material.results.best() or next(iter(material.scores), None)
    sections = list(material.scores.get(name or "", {}).values())
    if name is None or not sections or any(section.decisions is None for section in sections):
        return
    normal, anomalous = (
        _sum([section.rate(label, domain) for section in sections for domain in section.groups])
        for label in (NORMAL, ANOMALY)
    )
    if normal.clips and anomalous.clips:
        yield (
            f"With thresholds set by training clips alone, system {name} gives a false alarm for"
            f" {normal} normal test clips{_asked(sections)} and finds {anomalous} anomalies."
        )


def _asked(sections: Sequence[ScoredSection]) -> str:
    """Return the false-alarm rate that was asked for, in words."""
    rates = {section.threshold.rate for section in sections if section.threshold}
    return f", where {100 * rates.pop():g} % was asked for," if len(rates) == 1 else ""


def _worded(figure: Figure) -> str:
    text = f"{100 * figure.value:.2f} %"
    if not math.isnan(figure.deviation):
        return f"{text} on average (standard deviation {100 * figure.deviation:.2f} over seeds)"
    if figure.has_interval:
        return f"{text} (95 % interval {100 * figure.low:.1f} to {100 * figure.high:.1f})"
    return text


def _labelled(material: Material, system: str) -> list[Section]:
    sections = (scored.labelled() for scored in material.scores[system].values())
    return [section for section in sections if section is not None]


def _sum(rates: list[Rate]) -> Rate:
    return Rate(sum(rate.called for rate in rates), sum(rate.clips for rate in rates))
