"""The page of a challenge's results: which system is best and by how much, and what it heard.

The page is ``challenge.html.j2`` beside this file. Here is prepared what it shows: a picture and a
sentence first, then tables of measures, charts, clips and what made all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asd.metrics.rules import RULES
from asd.metrics.truth import Key
from asd.report.charts import (
    Chart,
    dot_chart,
    map_chart,
    score_chart,
    section_roc,
    themed_uri,
    training_charts,
)
from asd.report.layout import rendered
from asd.report.material import Map, Material, ShownClip
from asd.report.media import sound_uri, spectrogram_uris
from asd.report.results import Figure
from asd.report.scores import ANOMALY, NORMAL, Rate, ScoredSection
from asd.report.tables import (
    SOURCE,
    TOTAL,
    behind,
    beside_paper,
    ends,
    explained,
    flattened,
    headline,
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
    """What is shown of one section: figures, and clips with the pictures of their sound.

    Without labels there is no ROC.
    """

    name: str
    panels: Sequence[Panel]
    clips: Sequence[tuple[ShownClip, str | None]]
    has_roc: bool


def document(material: Material) -> tuple[str, dict[str, str]]:
    """Return the page as one HTML file, and its charts as SVG files by name."""
    shared = (behind, beside_paper, explained, flattened, headline, percent, short, size)
    own = (alarms, cell_notes, measures, notes, picture, sections, sound_uri, themed_uri)
    return rendered(
        "challenge",
        title=f"Anomalous sound detection: {material.dataset}",
        heading=f"Report on {material.dataset}",
        counts=material.counts,
        functions=(*shared, *own),
        material=material,
        results=material.results,
        curves=[training_charts(material, machine) for machine in material.machines],
        paper_tables=tables_of(material.results.systems) if material.with_paper else [],
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
        yield ends(score).replace(" to ", "–")
    if score.behind is not None:
        yield from behind(score).split(" ", 1)[: 2 if machine is None else 1]
    if material.with_paper and (known := paper(results, name, machine or TOTAL)):
        yield f"paper {known}"


def notes(material: Material) -> list[str]:
    """Return what is undefined or has no labels, each once."""
    systems = material.results.systems.values()
    return list(dict.fromkeys(line for result in systems for line in result.notes))


def picture(material: Material) -> Chart:
    """Return the scores of all systems over all machines, best first."""
    results = material.results
    figures = {name: results.figure(name) for name in results.ranked()}
    return dot_chart("All machines", figures, _floor(list(figures.values())))


def _floor(figures: Sequence[Figure]) -> float:
    """Return where the axis of scores begins: a round number below every interval."""
    values = [100 * (f.low if f.has_interval else f.value) for f in figures]
    lowest = min((value for value in values if not math.isnan(value)), default=50.0)
    return min(40.0, 10.0 * math.floor(lowest / 10.0))


def alarms(material: Material, machine: str) -> str:
    """Return how often the shown system alarms on a machine, rightly and not; empty if unknown."""
    name = material.shown_system(machine)
    found = material.scored(name, machine)
    if any(section.decisions is None for section in found):
        return ""
    normal, anomalous = (
        _sum([section.rate(label, domain) for section in found for domain in section.groups])
        for label in (NORMAL, ANOMALY)
    )
    if not (normal.clips and anomalous.clips):
        return f"Scores of system {name}."
    rates = {section.threshold.rate for section in found if section.threshold}
    asked = f", where {100 * rates.pop():g} % was asked for" if len(rates) == 1 else ""
    return (
        f"With thresholds from training clips alone {name} calls {normal} normal test clips"
        f" anomalous{asked}, and finds {anomalous} anomalies."
    )


def _sum(rates: Sequence[Rate]) -> Rate:
    return Rate(sum(rate.called for rate in rates), sum(rate.clips for rate in rates))


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
    titles = RULES[material.results.rules].titles
    return [titles.get(name, name).replace("F1 score", "F1") for name in names], rows


def sections(material: Material, machine: str) -> Iterator[SectionView]:
    """Yield what is shown of each section of a machine, for the shown system and those chosen."""
    shown = material.shown_system(machine)
    for section in material.sections(machine):
        key = machine, section
        roc = section_roc(material, key)
        said = ["Over all clips of the section. The diagonal is guessing."]
        panels = [Panel("ROC", roc, said)] if roc else []
        for name in dict.fromkeys((shown, *material.chosen)):
            if key in (of := material.scores.get(name, {})):
                panels.append(_scores(name, of[key]))
        for model, of_model in material.maps.get(machine, {}).items():
            if section in of_model:
                panels.append(_map(material, key, model, of_model[section]))
        clips = [clip for clip in material.clips.get(machine, ()) if clip.choice.key == key]
        uris = iter(spectrogram_uris([c.picture for c in clips if c.picture is not None]))
        pictured = [(clip, None if clip.picture is None else next(uris)) for clip in clips]
        yield SectionView(section, panels, pictured, roc is not None)


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
