"""All the figures of one system in one object, and how they are written.

As JSON that DVC reads as metrics; as Markdown tables for people, in percent with two decimals; and
as CSV: the result file of the official evaluators, and the points of the ROC curves.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asd.metrics.bootstrap import (
    Comparison,
    Difference,
    Interval,
    difference,
    ground_truth,
    interval,
    resample,
)
from asd.metrics.official import Evaluation, Means, SectionResult, evaluate, means
from asd.metrics.roc import Floats, roc_curve, thinned
from asd.metrics.rules import QUALITIES, Rules, Section, System, quality_name

UNDEFINED = "undefined"
# The columns of a section's figures are many; a terminal has few.
_SHORT = {"auc": "AUC", "pauc": "pAUC", "precision": "P", "recall": "R", "f1": "F1"}
GROUPS = ("AUC", "pAUC", "precision", "recall", "F1 score")
_POINTS = 101  # of a ROC curve
Row = list[object]


@dataclass(frozen=True)
class Behind:
    """How far a system is from the best one, over all or on a machine: a paired difference."""

    best: str
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        """Return nested mappings for JSON."""
        return {"best": self.best, **_difference_json(self.difference)}


@dataclass(frozen=True)
class Assessment:
    """What is known of one system.

    What is by machine type has ``""`` for the figure over all.

    Attributes:
        name: the system's name.
        evaluation: the official figures.
        intervals: the 95 % bootstrap intervals by machine; none where no bootstrap was asked for.
        unlabelled: sections without figures, and why.
        unusable: test clips that could not be read and have no score.
        digest: of the scores, decisions and ground truth that the figures are computed from.
        samples: the scores (R,) in each resample by machine; none where no bootstrap was asked for.
        behind: how far it is from the best system by machine; nothing where it is the best, or was
            not scored on the same clips.
    """

    name: str
    evaluation: Evaluation
    intervals: Mapping[str, Interval]
    unlabelled: tuple[str, ...]
    unusable: int
    digest: str
    samples: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    behind: Mapping[str, Behind] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return nested mappings for JSON: fractions at full precision, None where undefined."""
        figures = self.evaluation.to_json()
        places = {"": figures, **figures["machines"]}
        for machine, ends in self.intervals.items():
            places[machine]["interval"] = _interval_json(ends)
        for machine, behind in self.behind.items():
            places[machine]["behind"] = behind.to_json()
        return figures | {
            "clips": sum(section.clips for section in self.evaluation.sections),
            "unusable_clips": self.unusable,
            "unlabelled_sections": len(self.unlabelled),
            "undefined_values": list(self.evaluation.undefined),
            "unlabelled": list(self.unlabelled),
            "input_digest": self.digest,
        }


def assess(system: System, rules: Rules, resamples: int, seed: int = 0) -> Assessment:
    """Return the official figures of a system with their intervals.

    Args:
        system: its sections, as read by :func:`asd.metrics.results.read_systems`.
        rules: the year's rules.
        resamples: resamples of the bootstrap; 0 for no intervals.
        seed: seed of the bootstrap.
    """
    evaluation = evaluate(system.sections, rules)
    found = Assessment(
        system.name, evaluation, {}, system.unlabelled, system.unusable, system.digest
    )
    if not resamples:
        return found
    drawn = resample(system.sections, rules, resamples, seed)
    intervals = {
        machine: interval(drawn.bounded[machine], score)
        for machine, score in evaluation.scores.items()
    }
    return replace(found, intervals=intervals, samples=drawn.plain)


def beside_the_best(
    systems: Sequence[System], assessments: Sequence[Assessment]
) -> list[Assessment]:
    """Return the assessments of systems with how far each is from the best."""
    behind: list[dict[str, Behind]] = [{} for _ in assessments]
    for machine in dict.fromkeys(machine for one in assessments for machine in one.samples):
        scores = {
            place: score
            for place, one in enumerate(assessments)
            if not math.isnan(score := one.evaluation.scores.get(machine, math.nan))
        }
        if not scores:
            continue
        best = max(scores, key=lambda place: scores[place])
        truth = ground_truth(systems[best].sections, machine)
        for place, score in scores.items():
            if place != best and ground_truth(systems[place].sections, machine) == truth:
                samples = (assessments[place].samples[machine], assessments[best].samples[machine])
                found = difference((score, scores[best]), samples)
                behind[place][machine] = Behind(assessments[best].name, found)
    return [replace(one, behind=of_one) for one, of_one in zip(assessments, behind, strict=True)]


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as nested mappings for JSON."""
    found = {machine: _difference_json(of_machine) for machine, of_machine in comparison.items()}
    return {**found.pop(""), "machines": found}


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "difference": None if math.isnan(difference.value) else difference.value,
        "interval": _interval_json(difference.interval),
    }


def _interval_json(given: Interval) -> dict[str, float | None]:
    if math.isnan(given.low):
        return {"low": None, "high": None}
    return {"low": given.low, "high": given.high}


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals.

    Example:
        >>> percent(0.68287), percent(float("nan"))
        ('68.29', 'undefined')
    """
    return UNDEFINED if math.isnan(value) else f"{100.0 * value:.2f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that reads as well in a terminal: words left, figures right.

    Args:
        header: the headings; the first column holds words, the others figures.
        rows: cells, as many a row as there are headings.
    """
    widths = [
        max(3, *(len(row[column]) for row in (header, *rows))) for column in range(len(header))
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(aligned)} |"

    return "\n".join(line(cells) for cells in (header, rule, *rows))


def sections_table(evaluation: Evaluation) -> str:
    """Return every figure of one system: a row a section, the means of each machine below it."""
    names = list(dict.fromkeys(name for section in evaluation.sections for name in section.values))
    rows = []
    for machine in evaluation.machines:
        for section in machine.sections:
            values = [section.values.get(name, math.nan) for name in names]
            rows.append([f"{machine.machine} {section.section}", *map(percent, values), ""])
        rows.append([machine.machine, *("" for _ in names), percent(machine.score)])
    rows.append(["Total", *("" for _ in names), percent(evaluation.score)])
    return markdown(["Section", *map(_heading, names), "score"], rows)


def comparison_table(first: str, second: str, comparison: Comparison) -> str:
    """Return the paired difference of two systems, a row a machine, in percentage points."""
    rows = []
    for machine in (*filter(None, comparison), ""):
        found, ends = comparison[machine], comparison[machine].interval
        span = f"{percent(ends.low)} to {percent(ends.high)}"
        undefined = math.isnan(ends.low)
        rows.append([machine or "Total", percent(found.value), UNDEFINED if undefined else span])
    return markdown([f"{first} less {second}", "difference", "95 % interval"], rows)


def _heading(name: str) -> str:
    figure, _, domain = name.partition("_")
    return f"{_SHORT[figure]} {domain}".strip()


def result_csv(assessment: Assessment) -> str:
    """Return the figures of a system in the layout of the official evaluators' result files.

    The layout is that of 2022 on; the areas of other years take their place in it. Three things
    are on purpose not the evaluators': the means by domain run over all sections of a machine, the
    95 % interval is the bootstrap's and has a low and a high end, and an undefined value is an
    empty cell, named with its reason in the last lines.
    """
    evaluation = assessment.evaluation
    rules, sections = evaluation.rules, evaluation.sections
    columns = rules.titles
    rows: list[Row] = []
    for machine in evaluation.machines:
        rows += [[machine.machine], ["section", *columns.values()]]
        for section in machine.sections:
            rows.append([section.section, *(_cell(section.values.get(name)) for name in columns)])
        rows += [*_mean_rows(machine.sections, rules, ""), []]
    over_all = " over all machine types, sections, and domains"
    rows += [*_mean_rows(sections, rules, over_all), []]
    rows.append(["official score", "", _cell(evaluation.score)])
    if ends := assessment.intervals.get(""):
        rows.append(["official score 95 % interval", "", _cell(ends.low), _cell(ends.high)])
    rows += [["undefined", "", line] for line in evaluation.undefined]
    rows += [["unlabelled", "", line] for line in assessment.unlabelled]
    return _text(rows)


def roc_csv(sections: Iterable[Section]) -> str:
    """Return the ROC curve of every section, over all its clips, at most 101 points a curve.

    Returns:
        CSV text with the columns machine, section, fpr, tpr; a section whose curve is undefined
        has no rows.
    """
    rows: list[Row] = [["machine", "section", "fpr", "tpr"]]
    for section in sections:
        if section.labels.all() or not section.labels.any():
            continue
        curve = thinned(roc_curve(section.labels, section.scores), _POINTS)
        rows += [
            [section.machine, section.section, float(fpr), float(tpr)]
            for fpr, tpr in zip(curve.fpr, curve.tpr, strict=True)
        ]
    return _text(rows)


def _mean_rows(sections: Sequence[SectionResult], rules: Rules, over: str) -> list[Row]:
    """Return the rows of means, in the order of the evaluators."""
    everywhere = [_group(sections, rules, group, "") for group in GROUPS]
    rows: list[Row] = [
        ["", "", *GROUPS],
        [f"arithmetic mean{over}", "", *(_cell(group.arithmetic) for group in everywhere)],
        [f"harmonic mean{over}", "", *(_cell(group.harmonic) for group in everywhere)],
    ]
    for domain in filter(None, rules.domains):
        of_domain = [_group(sections, rules, group, domain) for group in GROUPS]
        harmonic = [_cell(group.harmonic) for group in of_domain]
        rows.append([f"{domain} harmonic mean{over}", "", *harmonic])
    return rows


def _group(sections: Sequence[SectionResult], rules: Rules, group: str, domain: str) -> Means:
    """Return the means of all values of one kind; those of one domain if ``domain`` is given.

    An area over all clips, such as the pAUC of 2022, belongs to each domain.
    """
    names = [
        measure.name
        for measure in rules.measures
        if measure.kind == group and (not domain or measure.normals in ("", domain))
    ]
    names += [
        quality_name(quality, of_domain)
        for quality, title in QUALITIES.items()
        for of_domain in rules.domains
        if title == group and (not domain or of_domain == domain)
    ]
    return means([section.values.get(name, math.nan) for section in sections for name in names])


def _cell(value: float | None) -> object:
    return "" if value is None or math.isnan(value) else value


def _text(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
