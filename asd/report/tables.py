"""The results as plain text: ``results.md``, which a terminal shows, and ``results.csv``; and how
values are written.

Beside ours stand the figures of the paper, Tables II to VI of S. Wang, J. Du and Y. Wang, "Machine
Anomalous Sound Detection Based on Self-Supervised Classification", APSIPA ASC 2022: percent on the
DCASE 2022 Task 2 development set; systems "1" to "6" are the experiments of Table I. The same
experiment has the same figures in every table that it stands in.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import harmonic_mean
from textwrap import fill

from asd.metrics.rules import RULES
from asd.metrics.summary import markdown
from asd.report.results import Behind as Behind
from asd.report.results import Figure, Results

LINE = 100  # characters of a table's line: more systems go on in a table below
NONE = "-"
_LONGEST = 160  # characters of a value that are shown

DATASET = "dcase2022"
SOURCE = "S. Wang, J. Du, Y. Wang, APSIPA ASC 2022"
MACHINES = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
TOTAL = "Total"

# One row a system: the machines in the order above, then the total.
_SCORES = {
    "1": (50.08, 48.96, 59.82, 57.83, 63.56, 77.18, 69.92, 59.63),
    "2": (48.10, 50.14, 57.34, 74.54, 62.09, 71.10, 77.49, 61.05),
    "3": (49.88, 50.20, 55.96, 55.55, 69.29, 73.43, 83.01, 60.38),
    "4": (50.46, 51.32, 59.16, 70.43, 65.07, 78.76, 82.01, 63.26),
    "5": (53.92, 51.20, 57.85, 78.34, 74.39, 78.10, 79.01, 65.40),
    "6": (69.70, 52.04, 58.70, 76.95, 76.83, 77.35, 77.09, 68.29),
    "mobilenetv2": (54.40, 51.56, 60.64, 57.53, 60.17, 51.69, 62.13, 56.58),
    "autoencoder": (51.30, 39.77, 54.91, 58.50, 63.07, 58.00, 50.60, 52.71),
}


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's tables: its number, what it compares, and its systems in order."""

    number: str
    title: str
    systems: tuple[str, ...]


TABLES = (
    PaperTable("II", "the baseline system", ("1",)),
    PaperTable("III", "different features", ("1", "2", "3", "4")),
    PaperTable("IV", "different loss functions", ("4", "5")),
    PaperTable("V", "different ways to score", ("5", "6")),
    PaperTable("VI", "different methods", ("mobilenetv2", "autoencoder", "6")),
)


def tables_of(systems: Collection[str]) -> list[PaperTable]:
    """Return the tables in which at least one of ``systems`` stands."""
    return [table for table in TABLES if any(name in systems for name in table.systems)]


def reported(system: str, machines: Sequence[str]) -> float | None:
    """Return the paper's score in percent on a machine, or its total over several.

    Over all of its machines it is the total in print, over some of them their harmonic mean.

    The totals in print are the harmonic means of the seven machine rows to within 0.01, since
    each machine has the same number of sections.

    Returns:
        None where the paper lacks the system or one of the machines.
    """
    if system not in _SCORES or not machines or not set(machines) <= set(MACHINES):
        return None
    if set(machines) == set(MACHINES):
        return _SCORES[system][-1]
    rows = (_SCORES[system][MACHINES.index(machine)] for machine in machines)
    return round(harmonic_mean(rows), 2)


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
        text += (
            f" In brackets the 95 % interval for other test clips ({results.resamples:,} resamples)"
        )
        beside = ", and beside it the paired difference to the best"
        text += f"{beside}." if len(results.systems) > 1 else "."
    return text


def headline(results: Results, machine: str | None = None) -> str:
    """Return what the figures come to, over all or on a machine, in one sentence; or nothing."""
    best = results.best(machine)
    if best is None:
        return ""
    score = results.figure(best, machine)
    said = f"{percent(score.value)} %"
    if not math.isnan(score.deviation):
        said += f" on average (standard deviation {percent(score.deviation)} over seeds)"
    elif score.has_interval:
        said += f" (95 % interval {ends(score)})"
    if len(results.systems) == 1:
        return f"System {best} reaches {said}."
    others = [name for name in results.ranked(machine) if name != best]
    figures = {name: results.figure(name, machine).behind for name in others}
    known = {name: behind for name, behind in figures.items() if behind is not None}
    ties = [name for name, behind in known.items() if behind.is_tie]
    if ties:
        return f"Systems {listed([best, *ties])} tie at {said}."
    text = f"System {best} is best at {said}"
    if not known:
        return f"{text}."
    name, behind = next(iter(known.items()))
    between = f"{-100 * behind.high:.1f} to {-100 * behind.low:.1f}"
    verdict = "would hardly" if behind.is_clear else "could"
    return (
        f"{text}, {-100 * behind.value:.1f} points ahead of {name} ({between}): other test clips"
        f" {verdict} turn that order."
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names as a list in words, the last ones counted where there are many.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2)
        ('a, b and c', 'a, b and 1 more')
    """
    shown = list(names[:most])
    hidden = len(names) - len(shown)
    last = f"{hidden} more" if hidden else shown.pop()
    return f"{', '.join(shown)} and {last}" if shown else last


def behind(figure: Figure) -> str:
    """Return the paired difference of a score to the best, with its interval.

    Example:
        >>> behind(Figure(0.61, behind=Behind("a", -0.032, -0.05, -0.012)))
        '-3.2 [-5.0, -1.2]'
    """
    known = figure.behind
    if known is None:
        return ""
    if known.is_tie:
        return "tie"
    return f"{100 * known.value:+.1f} [{100 * known.low:+.1f}, {100 * known.high:+.1f}]"


def results_markdown(results: Results, dataset: str, with_paper: bool) -> str:
    """Return ``results.md``: a row a system, best first, then the paper's tables."""
    words = [fill(text, LINE) for text in (headline(results), explained(results)) if text]
    parts = [f"# Results: {escaped(dataset)}", *words, systems_table(results)]
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
    rows = (*results.machines, TOTAL)
    columns = [["machine", *rows]]
    for name in results.systems:
        figures = [_figure(results, name, row) for row in rows]
        kinds = {"": "value", " low": "low", " high": "high", " std": "deviation"}
        for suffix, kind in kinds.items():
            values = [getattr(figure, kind) for figure in figures]
            if suffix == "" or not all(map(math.isnan, values)):
                texts = (percent(value).replace(NONE, "") for value in values)
                columns.append([f"{name}{suffix}", *texts])
        if with_paper and paper(results, name, TOTAL):
            columns.append([f"{name} paper", *(paper(results, name, row) for row in rows)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def systems_table(results: Results) -> str:
    """Return a row a system, best first, and a column a machine, for a terminal and Markdown.

    It goes on in a table below where a line is full.
    """
    names = results.ranked()
    columns = [["Total", *(cell(results.figure(name)) for name in names)]]
    if any(results.figure(name).behind for name in names):
        columns.append(["to the best", *(behind(results.figure(name)) for name in names)])
    for machine in results.machines if len(results.machines) > 1 else ():
        cells = (cell(results.figure(name, machine)) for name in names)
        columns.append([escaped(machine), *cells])
    first = ["System", *map(escaped, names)]
    tables, block, used = [], [first], 0
    for column in columns:
        widths = [max(map(len, one)) + 3 for one in (first, column)]
        if used + widths[1] > LINE - widths[0] - 1 and len(block) > 1:
            tables.append(block)
            block, used = [first], 0
        block.append(column)
        used += widths[1]
    lines = [list(zip(*one, strict=True)) for one in (*tables, block)]
    return "\n\n".join(markdown(header, rows) for header, *rows in lines)


def _paper_table(results: Results, table: PaperTable) -> str:
    header = ["Machine", *(title for name in table.systems for title in (name, "paper"))]
    rows = [
        [escaped(row), *beside_paper(results, table.systems, row)]
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
    known = reported(name, results.machines if row == TOTAL else [row])
    return "" if known is None else f"{known:.2f}"


def _figure(results: Results, name: str, row: str) -> Figure:
    if name not in results.systems:
        return Figure(math.nan)
    return results.systems[name].score if row == TOTAL else results.figure(name, row)


def escaped(name: str) -> str:
    r"""Return a name as Markdown shows it, on one line.

    Example:
        >>> print(escaped("fans <b>\n| 2"))
        fans \<b> \| 2
    """
    shown = "".join(one if one.isprintable() else " " for one in name)
    return " ".join(re.sub(r"([\\`*<\[|])", r"\\\1", shown).split())


def short(value: float) -> str:
    """Return a number with at most four significant digits.

    Example:
        >>> short(0.2), short(-1500.0), short(0.00012346)
        ('0.2', '-1500', '0.0001235')
    """
    return f"{value:.4g}"


def size(count: int) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size(0), size(1_500_000)
        ('0.0 kB', '1.5 MB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def flattened(record: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested mappings under names joined by dots; long ones are cut.

    Example:
        >>> list(flattened({"seed": 0, "versions": {"torch": "2.13.0"}}))
        [('seed', '0'), ('versions.torch', '2.13.0')]
    """
    for key, value in record.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from flattened(value, f"{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield name, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
