"""Tables for people: aligned Markdown, percent with two decimals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from asd.metrics.bootstrap import Comparison, Difference, Interval
from asd.metrics.official import Evaluation
from asd.metrics.summary import Assessment

UNDEFINED = "undefined"
# The columns of a section's figures are many; a terminal has few.
_SHORT = {"auc": "AUC", "pauc": "pAUC", "precision": "P", "recall": "R", "f1": "F1"}


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals.

    Example:
        >>> percent(0.68287), percent(float("nan"))
        ('68.29', 'undefined')
    """
    return UNDEFINED if math.isnan(value) else f"{100.0 * value:.2f}"


def span(interval: Interval) -> str:
    """Return an interval as percent, such as ``"67.10 to 69.48"``."""
    return (
        UNDEFINED
        if math.isnan(interval.low)
        else f"{percent(interval.low)} to {percent(interval.high)}"
    )


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


def systems_table(assessments: Sequence[Assessment]) -> str:
    """Return the paper's table: a row a machine, a column a system, their totals below."""
    scores = [
        {machine.machine: machine.score for machine in assessment.evaluation.machines}
        for assessment in assessments
    ]
    machines = sorted(set().union(*scores))
    rows = [
        [machine, *(percent(of_system.get(machine, math.nan)) for of_system in scores)]
        for machine in machines
    ]
    rows.append(["Total", *(percent(one.evaluation.score) for one in assessments)])
    if any(one.intervals for one in assessments):
        rows.append(
            [
                "95 % interval",
                *(span(one.intervals.score) if one.intervals else "" for one in assessments),
            ]
        )
    return markdown(["System", *(one.name for one in assessments)], rows)


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
    rows = [
        _difference_row(machine, difference) for machine, difference in comparison.machines.items()
    ]
    rows.append(_difference_row("Total", comparison.score))
    return markdown([f"{first} less {second}", "difference", "95 % interval"], rows)


def _heading(name: str) -> str:
    figure, _, domain = name.partition("_")
    return f"{_SHORT[figure]} {domain}".strip()


def _difference_row(name: str, difference: Difference) -> list[str]:
    return [name, percent(difference.value), span(difference.interval)]
