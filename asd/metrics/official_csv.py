"""Figures as CSV: the result file of the official evaluators, and the points of the ROC curves."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from asd.metrics.official import QUALITIES, Means, SectionResult, means, quality_name
from asd.metrics.roc import roc_curve, thinned
from asd.metrics.rules import Rules
from asd.metrics.section import Section
from asd.metrics.summary import Assessment

TITLES = {"precision": "precision", "recall": "recall", "f1": "F1 score"}
GROUPS = ("AUC", "pAUC", "precision", "recall", "F1 score")

Row = list[object]


def result_csv(assessment: Assessment) -> str:
    """Return the figures of a system in the layout of the official evaluators' result files.

    The layout is that of 2022 on; the areas of other years take their place in it. Three things
    are on purpose not the evaluators': the means by domain run over all sections of a machine, the
    95 % interval is the bootstrap's and has a low and a high end, and an undefined value is an
    empty cell, named with its reason in the last lines.
    """
    evaluation = assessment.evaluation
    rules, sections = evaluation.rules, evaluation.sections
    areas = {measure.name: measure.title for measure in rules.measures}
    qualities = {
        quality_name(quality, domain): f"{TITLES[quality]} ({domain})"
        if domain
        else TITLES[quality]
        for quality in QUALITIES
        for domain in rules.domains
    }
    whole = {} if "auc" in areas else {"auc": "AUC (all)"}
    columns = {**whole, **areas, **qualities}
    rows: list[Row] = []
    for machine in evaluation.machines:
        rows += [[machine.machine], ["section", *columns.values()]]
        for section in machine.sections:
            rows.append([section.section, *(_cell(section.values.get(name)) for name in columns)])
        rows += [*_mean_rows(machine.sections, rules, ""), []]
    over_all = " over all machine types, sections, and domains"
    rows += [*_mean_rows(sections, rules, over_all), []]
    rows.append(["official score", "", _cell(evaluation.score)])
    if assessment.intervals:
        ends = assessment.intervals.score
        rows.append(["official score 95 % interval", "", _cell(ends.low), _cell(ends.high)])
    rows += [["undefined", "", line] for line in evaluation.undefined]
    rows += [["unlabelled", "", line] for line in assessment.unlabelled]
    return _text(rows)


def roc_csv(sections: Iterable[Section], points: int = 101) -> str:
    """Return the ROC curve of every section, over all its clips, at most ``points`` a curve.

    Returns:
        CSV text with the columns machine, section, fpr, tpr; a section whose curve is undefined
        has no rows.
    """
    rows: list[Row] = [["machine", "section", "fpr", "tpr"]]
    for section in sections:
        if section.labels.all() or not section.labels.any():
            continue
        curve = thinned(roc_curve(section.labels, section.scores), points)
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
        for quality, title in TITLES.items()
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
