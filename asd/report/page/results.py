"""The first part of the page: the result table, what it says, and the scores at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from asd.report.charts import dot_chart
from asd.report.markup import Child, Markup, element, joined
from asd.report.material import Material
from asd.report.page.pieces import figure, folded, grid, note, table
from asd.report.paper import SOURCE, TOTAL, reported, reported_total, tables_of
from asd.report.reading import reading
from asd.report.results import Figure
from asd.report.tables import ends, explained, percent

_NOTES = 20  # lines of undefined values that are shown


def results_part(material: Material) -> Markup:
    """Return the results of every system on every machine."""
    results = material.results
    shown: list[Child] = [element("h2", "Results", id="results-title")]
    if results.machines:
        shown.append(_table(material))
    shown.append(element("p", " ".join(reading(material)), class_="reading"))
    if results.machines:
        shown.append(_glance(material))
    if material.with_paper and tables_of(results.systems):
        shown.append(_paper_tables(material))
    shown.append(_undefined(material))
    return element("section", shown, id="results", aria_labelledby="results-title")


def _table(material: Material) -> Markup:
    results = material.results
    header: list[Child] = ["Machine", *(_heading(material, name) for name in results.systems)]
    rows = [
        [machine, *(_cell(material, name, machine) for name in results.systems)]
        for machine in results.machines
    ]
    foot = [TOTAL, *(_cell(material, name, TOTAL) for name in results.systems)]
    caption = explained(results).replace("In brackets", "Below each score")
    if material.with_paper:
        caption += f" Paper: {SOURCE}."
    return table(caption, header, rows, foot)


def _heading(material: Material, name: str) -> Markup:
    facts = material.systems.get(name)
    if facts is None:
        return joined(name)
    lines = (" + ".join(facts.features), f"{facts.model}, {facts.scorer}")
    return joined(name, [element("small", line) for line in lines])


def _cell(material: Material, name: str, row: str) -> Markup:
    results = material.results
    machine = None if row == TOTAL else row
    score = results.systems[name].score if machine is None else results.figure(name, machine)
    lines: list[Child] = [percent(score.value)]
    if not math.isnan(score.deviation):
        lines.append(element("small", f"± {percent(score.deviation)}"))
    if score.has_interval:
        lines.append(element("small", ends(score)))
    if material.with_paper:
        known = reported_total(name, results.machines) if row == TOTAL else reported(name, row)
        lines.append(element("small", f"paper {known:.2f}") if known is not None else None)
    best = len(results.systems) > 1 and results.best(machine) == name
    if best:
        lines.append(element("small", "highest"))
    return element("td", lines, class_="best" if best else None)


def _glance(material: Material) -> Markup:
    results = material.results
    totals = {name: result.score for name, result in results.systems.items()}
    panels = [("All machines", totals)] if len(results.machines) > 1 else []
    panels += [
        (machine, {name: results.figure(name, machine) for name in results.systems})
        for machine in results.machines
    ]
    low = _floor([figure for _, figures in panels for figure in figures.values()])
    charts = [
        figure(title, dot_chart(figures, low, f"{title}: {_listed(figures)}"))
        for title, figures in panels
    ]
    what = " The bar is the 95 % interval." if results.resamples and results.seeds == 1 else ""
    lede = f"A dot is a system's score; the line at 50 is guessing.{what}"
    return joined(element("h3", "At a glance"), element("p", lede, class_="quiet"), grid(*charts))


def _listed(figures: dict[str, Figure]) -> str:
    return ", ".join(f"system {name} {percent(figure.value)}" for name, figure in figures.items())


def _floor(figures: Sequence[Figure]) -> float:
    """Return where the axis of scores begins: a round number below every interval."""
    values = [100 * (f.low if f.has_interval else f.value) for f in figures]
    lowest = min((value for value in values if not math.isnan(value)), default=50.0)
    return min(40.0, 10.0 * math.floor(lowest / 10.0))


def _paper_tables(material: Material) -> Markup:
    results = material.results
    blocks = []
    for one in tables_of(results.systems):
        header = ["Machine"]
        for name in one.systems:
            header += [name, f"{name}, paper"]
        rows = [[row, *_beside(material, one.systems, row)] for row in (*results.machines, TOTAL)]
        caption = f"Table {one.number}: {one.title}"
        blocks.append(table(caption, header, rows[:-1], rows[-1]))
    source = element("p", f"Scores in percent. Paper: {SOURCE}.", class_="quiet")
    return folded("Beside the paper, table by table", source, *blocks)


def _beside(material: Material, systems: Sequence[str], row: str) -> list[Child]:
    results = material.results
    cells: list[Child] = []
    for name in systems:
        ours = Figure(math.nan)
        if name in results.systems:
            total = row == TOTAL
            ours = results.systems[name].score if total else results.figure(name, row)
        known = reported_total(name, results.machines) if row == TOTAL else reported(name, row)
        cells += [percent(ours.value), "-" if known is None else f"{known:.2f}"]
    return cells


def _undefined(material: Material) -> Markup | None:
    notes = (line for result in material.results.systems.values() for line in result.notes)
    lines = list(dict.fromkeys(notes))
    if not lines:
        return None
    hidden = len(lines) - _NOTES
    items = [element("li", line) for line in lines[:_NOTES]]
    if hidden > 0:
        items.append(element("li", f"and {hidden} more"))
    return folded(
        f"Left out of the figures ({len(lines)})",
        note("These values are undefined or without labels; the means are over the others."),
        element("ul", items),
    )
