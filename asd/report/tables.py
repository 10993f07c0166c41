"""The result tables as plain text: ``results.md``, which a terminal shows, and ``results.csv``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from textwrap import fill

from asd.metrics.rules import RULES
from asd.metrics.summary import markdown
from asd.report.paper import SOURCE, TOTAL, PaperTable, reported, reported_total, tables_of
from asd.report.results import Figure, Results

LINE = 100  # characters of a table's line: more systems go on in a table below
NONE = "-"


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals; ``-`` where undefined."""
    return NONE if math.isnan(value) else f"{100 * value:.2f}"


def ends(figure: Figure) -> str:
    """Return the interval in percent, such as ``"57.1 to 65.0"``; empty without one."""
    return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}" if figure.has_interval else ""


def cell(figure: Figure) -> str:
    """Return a score with what is known of its spread.

    Example:
        >>> cell(Figure(0.6123, 0.571, 0.6502)), cell(Figure(0.6123, deviation=0.0088))
        ('61.23 [57.1, 65.0]', '61.23 ± 0.88')
    """
    if not math.isnan(figure.deviation):
        return f"{percent(figure.value)} ± {percent(figure.deviation)}"
    if figure.has_interval:
        return f"{percent(figure.value)} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
    return percent(figure.value)


def explained(results: Results) -> str:
    """Return what the score is, in a sentence or two."""
    rules = RULES[results.rules]
    kinds = " and ".join(dict.fromkeys(measure.kind for measure in rules.measures))
    over = "sections and domains" if any(rules.domains) else "sections"
    text = (
        f"Official score in percent by the rules of {results.rules}: the {rules.mean} mean of"
        f" {kinds} over {over}; 100 is perfect, 50 is guessing."
    )
    if results.seeds > 1:
        text += f" Mean and standard deviation of {results.seeds} seeds."
    elif results.resamples:
        text += f" In brackets the 95 % interval over {results.resamples:,} resamples of the clips."
    return text


def results_markdown(results: Results, dataset: str, with_paper: bool) -> str:
    """Return ``results.md``: a row a machine, a column a system, then the paper's tables."""
    words = fill(explained(results), LINE)
    parts = [f"# Results: {dataset}", words, *_blocks(results)]
    if with_paper:
        for table in tables_of(results.systems):
            parts += [
                f"## Table {table.number} of the paper: {table.title}",
                _paper_table(results, table),
            ]
        parts.append(f"Paper: {SOURCE}.")
    return "\n\n".join(parts) + "\n"


def results_csv(results: Results, with_paper: bool) -> str:
    """Return ``results.csv``: the same in percent, an empty cell for what is not known.

    The columns of a system are ``<system>``, and where they are known ``<system> low`` and
    ``high`` (the interval), ``std`` (over seeds) and ``paper``.
    """
    rows: list[list[str]] = [["machine"]]
    for machine in (*results.machines, TOTAL):
        rows.append([machine])
    for name in results.systems:
        columns = {"": "value", " low": "low", " high": "high", " std": "deviation"}
        for suffix, attribute in columns.items():
            values = [getattr(_figure(results, name, row[0]), attribute) for row in rows[1:]]
            if suffix == "" or not all(map(math.isnan, values)):
                _column(rows, f"{name}{suffix}", [percent(v).replace(NONE, "") for v in values])
        if with_paper and paper(results, name, TOTAL):
            _column(rows, f"{name} paper", [paper(results, name, row[0]) for row in rows[1:]])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _blocks(results: Results) -> Iterator[str]:
    """Yield the table, in as many parts as the width of a line makes necessary."""
    columns = [
        [name, *(cell(_figure(results, name, row)) for row in (*results.machines, TOTAL))]
        for name in results.systems
    ]
    first = ["Machine", *map(_escaped, results.machines), TOTAL]
    used = margin = max(map(len, first)) + 4
    block = [first]
    for column in columns:
        width = max(map(len, column)) + 3
        if used + width > LINE and len(block) > 1:
            yield _table(block)
            block, used = [first], margin
        block.append(column)
        used += width
    yield _table(block)


def _paper_table(results: Results, table: PaperTable) -> str:
    header = ["Machine", *(title for name in table.systems for title in (name, "paper"))]
    rows = [
        [_escaped(row), *beside_paper(results, table.systems, row)]
        for row in (*results.machines, TOTAL)
    ]
    return markdown(header, rows)


def beside_paper(results: Results, systems: Sequence[str], row: str) -> list[str]:
    """Return our score and the paper's of each system, on a machine or in total."""
    return [
        text
        for name in systems
        for text in (percent(_figure(results, name, row).value), paper(results, name, row) or NONE)
    ]


def paper(results: Results, name: str, row: str) -> str:
    """Return the paper's score of a system, on a machine or in total; empty where it has none."""
    known = reported_total(name, results.machines) if row == TOTAL else reported(name, row)
    return "" if known is None else f"{known:.2f}"


def _figure(results: Results, name: str, row: str) -> Figure:
    if name not in results.systems:
        return Figure(math.nan)
    return results.systems[name].score if row == TOTAL else results.figure(name, row)


def _column(rows: list[list[str]], title: str, values: Sequence[str]) -> None:
    for row, value in zip(rows, [title, *values], strict=True):
        row.append(value)


def _table(columns: Sequence[Sequence[str]]) -> str:
    header, *rows = zip(*columns, strict=True)
    return markdown(header, rows)


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")
