"""``report.html``: one file that needs no network and no script.

The page is ``page.html.j2`` beside this file, with the style sheet ``page.css``. Here is prepared
what it shows: figures with their captions, tables of measures, pictures and sounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from asd.metrics.rules import RULES
from asd.report.charts import (
    DARK,
    LIGHT,
    Chart,
    dot_chart,
    map_chart,
    score_chart,
    section_roc,
    svg,
    training_charts,
)
from asd.report.material import Map, Material, ShownClip
from asd.report.media import png_uri, spectrogram_uris, wav_uri
from asd.report.results import Figure, Key
from asd.report.scores import ANOMALY, NORMAL, ScoredSection
from asd.report.summary import reading
from asd.report.tables import (
    SOURCE,
    TOTAL,
    beside_paper,
    ends,
    explained,
    flattened,
    paper,
    percent,
    short,
    size,
    tables_of,
)

_COUNTS = ("clips", "anomalies")


class Panel(NamedTuple):
    """A figure: its heading, its chart, and what is said below."""

    heading: str
    chart: Chart
    said: Sequence[str] = ()


class SectionView(NamedTuple):
    """What is shown of one section: figures, those that are folded away, and clips.

    A clip comes with the picture of its sound, if it has one. Without labels there is no ROC.
    """

    name: str
    panels: Sequence[Panel]
    others: Sequence[Panel]
    clips: Sequence[tuple[ShownClip, str | None]]
    has_roc: bool


def document(material: Material) -> str:
    """Return the report as one HTML file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    numbers = count(1)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shared = (beside_paper, explained, flattened, percent, png_uri, reading, short, size, wav_uri)
    for function in (*shared, cell_notes, glance, lede, measures, notes, sections):
        environment.globals[function.__name__] = function
    return environment.get_template("page.html.j2").render(
        material=material,
        results=material.results,
        chart=lambda chart: Markup(svg(chart, f"chart{next(numbers)}")),
        curves=[training_charts(material, machine) for machine in material.machines],
        tokens=(LIGHT, DARK),
        paper_tables=tables_of(material.results.systems) if material.with_paper else [],
        words={NORMAL: "normal", ANOMALY: "anomalous", "": "unlabelled"},
        SOURCE=SOURCE,
        TOTAL=TOTAL,
    )


def cell_notes(material: Material, name: str, machine: str | None) -> Iterator[str]:
    """Yield what stands below a system's score on a machine, or over all."""
    results = material.results
    score = results.figure(name, machine)
    if not math.isnan(score.deviation):
        yield f"± {percent(score.deviation)}"
    if score.has_interval:
        yield ends(score)
    if material.with_paper and (known := paper(results, name, machine or TOTAL)):
        yield f"paper {known}"
    if len(results.systems) > 1 and results.best(machine) == name:
        yield "highest"


def notes(material: Material) -> list[str]:
    """Return what is undefined or has no labels, each once."""
    systems = material.results.systems.values()
    return list(dict.fromkeys(line for result in systems for line in result.notes))


def glance(material: Material) -> list[Panel]:
    """Return the scores of all systems, over all machines and of each."""
    results = material.results
    rows = [("All machines", None)] if len(results.machines) > 1 else []
    panels = {
        title: {name: results.figure(name, machine) for name in results.systems}
        for title, machine in (*rows, *((machine, machine) for machine in results.machines))
    }
    low = _floor([figure for figures in panels.values() for figure in figures.values()])
    return [Panel(title, dot_chart(title, figures, low)) for title, figures in panels.items()]


def _floor(figures: Sequence[Figure]) -> float:
    """Return where the axis of scores begins: a round number below every interval."""
    values = [100 * (f.low if f.has_interval else f.value) for f in figures]
    lowest = min((value for value in values if not math.isnan(value)), default=50.0)
    return min(40.0, 10.0 * math.floor(lowest / 10.0))


def lede(material: Material, machine: str) -> str:
    """Return the first sentence on a machine."""
    results = material.results
    best = results.best(machine)
    if best is None:
        return f"Scores of system {material.shown_system(machine)}; the clips have no labels."
    score = results.figure(best, machine)
    interval = f" (95 % interval {ends(score)})" if score.has_interval else ""
    others = "" if len(results.systems) == 1 else ", the highest here"
    return f"System {best} scores {percent(score.value)} %{interval}{others}."


def measures(material: Material, machine: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the names of all measures, and a row a system and section: both, then the values."""
    found = [
        (system, section, values)
        for system, result in material.results.systems.items()
        for (of, section), values in result.sections.items()
        if of == machine
    ]
    names = list(dict.fromkeys(name for *_, values in found for name in values))
    names = [name for name in names if name not in _COUNTS]
    rows = [
        (system, section, *(percent(values.get(name, math.nan)) for name in names))
        for system, section, values in found
    ]
    return [_title(material.results.rules, name) for name in names], rows


def _title(rules: str, name: str) -> str:
    """Return a measure's heading: ``auc_source`` becomes ``AUC (source)``."""
    for measure in RULES[rules].measures:
        if measure.name == name:
            return measure.title
    quality, _, domain = name.partition("_")
    words = {"auc": "AUC (all)", "f1": "F1"}.get(quality, quality)
    return f"{words} ({domain})" if domain else words


def sections(material: Material, machine: str) -> Iterator[SectionView]:
    """Yield what is shown of each section of a machine; the shown system is not folded away."""
    shown = material.shown_system(machine)
    facts = material.systems.get(shown)
    for section in material.sections(machine):
        key = machine, section
        scored = {name: _scores(name, of[key]) for name, of in material.scores.items() if key in of}
        maps = {
            model: _map(material, key, model, of_model[section])
            for model, of_model in material.maps.get(machine, {}).items()
            if section in of_model
        }
        own = facts.model if facts and facts.model in maps else next(iter(maps), "")
        roc = section_roc(material, key)
        said = ["Over all clips of the section. The diagonal is guessing."]
        panels = [Panel("ROC", roc, said)] if roc else []
        panels += [of.pop(name) for of, name in ((scored, shown), (maps, own)) if name in of]
        clips = [clip for clip in material.clips.get(machine, ()) if clip.choice.key == key]
        uris = iter(spectrogram_uris([c.picture for c in clips if c.picture is not None]))
        pictured = [(clip, None if clip.picture is None else next(uris)) for clip in clips]
        others = [*scored.values(), *maps.values()]
        yield SectionView(section, panels, others, pictured, roc is not None)


def _scores(system: str, section: ScoredSection) -> Panel:
    said = []
    if cut := section.threshold:
        remark = f" ({cut.note})" if cut.note else ""
        said.append(f"Threshold by {cut.method}, for {100 * cut.rate:g} % false alarms{remark}.")
        if section.longer:
            # What decides recordings of several windows: the rate is that of recordings.
            windows, cut = max(section.longer.items())
            remark = f" ({cut.note})" if cut.note else ""
            where = f"For a recording of {windows} clips, the longest here"
            said.append(f"{where}: {short(cut.value)}{remark}.")
    said += section.said_rates()
    return Panel(f"Scores of system {system}", score_chart(system, section), said)


def _map(material: Material, key: Key, model: str, placed: Map) -> Panel:
    features = next((f.features for f in material.systems.values() if f.model == model), ())
    what = f"Model {model}" + (f", on {' + '.join(features)}" if features else "")
    said = f"{what}. t-SNE: near clips are alike; far ones only differ."
    return Panel("Embeddings", map_chart(key, model, placed), [said])
