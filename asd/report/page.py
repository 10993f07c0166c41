"""``report.html``: one file that needs no network and no script.

The whole with head, landmarks and navigation; the part on the results, with what they say in plain
words; and the last parts, on the feature store and on what made all this. The parts on the machines
are in :mod:`asd.report.page_machine`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from asd.metrics.bootstrap import Comparison, compare
from asd.metrics.rules import RULES, Section
from asd.report.charts import dot_chart
from asd.report.markup import Child, Markup, element, figure, folded, grid, joined, note, table
from asd.report.material import Material
from asd.report.page_machine import machine_part
from asd.report.paper import SOURCE, TOTAL, tables_of
from asd.report.results import Figure
from asd.report.scores import ANOMALY, NORMAL, Rate, ScoredSection
from asd.report.style import sheet
from asd.report.tables import beside_paper, ends, explained, paper, percent

# No script runs and nothing is fetched, whatever a name in the data may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
_NOTES = 20  # lines of undefined values that are shown
_LONGEST = 160  # characters of a value that are shown


def document(material: Material) -> str:
    """Return the report as one HTML file."""
    anchors = {machine: f"machine-{i}" for i, machine in enumerate(material.machines, start=1)}
    title = f"Anomalous sound detection: {material.dataset}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(sheet())),
    )
    links = [("Results", "results"), *anchors.items(), ("Store", "store")]
    links.append(("Provenance", "provenance"))
    items = [element("li", element("a", name, href=f"#{target}")) for name, target in links]
    body = element(
        "body",
        element("a", "Skip to the results", href="#results", class_="skip"),
        element(
            "div",
            _header(material),
            element("nav", element("ul", items), aria_label="Parts of this report"),
            element(
                "main",
                results_part(material),
                [machine_part(material, machine, anchor) for machine, anchor in anchors.items()],
                store_part(material),
                provenance_part(material),
            ),
            element("footer", element("p", "Made by asd report from the files of the pipeline.")),
            class_="frame",
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _header(material: Material) -> Markup:
    facts = [element("li", element("strong", value), f" {what}") for what, value in material.counts]
    return element(
        "header",
        element("p", "Machine anomalous sound detection", class_="eyebrow"),
        element("h1", f"Report on {material.dataset}"),
        element("ul", facts, class_="facts"),
    )


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
    if material.with_paper and (known := paper(results, name, row)):
        lines.append(element("small", f"paper {known}"))
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
        rows = [
            [row, *beside_paper(results, one.systems, row)] for row in (*results.machines, TOTAL)
        ]
        caption = f"Table {one.number}: {one.title}"
        blocks.append(table(caption, header, rows[:-1], rows[-1]))
    source = element("p", f"Scores in percent. Paper: {SOURCE}.", class_="quiet")
    return folded("Beside the paper, table by table", source, *blocks)


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


def store_part(material: Material) -> Markup:
    """Return what the feature store holds."""
    title = element("h2", "Feature store", id="store-title")
    body = note("No shard was found in the feature store: its contents are not listed.")
    if material.store:
        rows: list[list[Child]] = [
            [
                f"{one.machine} / {one.feature}",
                str(one.shards),
                f"{one.clips:,}",
                one.row,
                size(one.bytes),
                element("code", one.digest[:12]),
            ]
            for one in material.store
        ]
        total = sum(one.bytes for one in material.store)
        shards = sum(one.shards for one in material.store)
        clips = sum(one.clips for one in material.store)
        foot: list[Child] = ["Total", str(shards), f"{clips:,}", "", size(total), ""]
        header = ["Machine / feature", "Shards", "Rows", "A row", "Size", "Recipe"]
        body = table("Features by machine, and the digest of their recipe", header, rows, foot)
    return element("section", title, body, id="store", aria_labelledby="store-title")


def provenance_part(material: Material) -> Markup:
    """Return what made the results: parameters, versions, seeds and data."""
    shown: list[Child] = [element("h2", "Provenance", id="provenance-title")]
    shown.append(
        table("What made this report", ["What", "Value"], _rows(material.provenance), words=True)
    )
    records = [
        table(f"Model {model} of {machine}", ["What", "Value"], _rows(flattened(one)), words=True)
        for machine, of_machine in material.records.items()
        for model, one in of_machine.items()
    ]
    if records:
        shown.append(folded(f"What each model says of its making ({len(records)})", *records))
    return element("section", shown, id="provenance", aria_labelledby="provenance-title")


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


def _rows(pairs: Iterable[tuple[str, str]]) -> list[list[Child]]:
    return [[name, element("code", value)] for name, value in pairs]
