"""The part of the page on one machine: its figures, each section's curves, scores and maps, and the
clips that stand out, with what they look like, sound like and scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from asd.metrics.rules import RULES
from asd.report.charts import histogram_chart, line_chart, map_chart, roc_chart, short
from asd.report.maps import Map
from asd.report.markup import (
    Child,
    Markup,
    element,
    figure,
    folded,
    grid,
    joined,
    line_legend,
    mark_legend,
    note,
    png_uri,
    spectrogram_uris,
    table,
    wav_uri,
)
from asd.report.material import Material, ShownClip
from asd.report.results import Key
from asd.report.scores import ANOMALY, NORMAL, ScoredSection
from asd.report.tables import ends, percent

_COUNTS = ("clips", "anomalies")
_SILENT = "the recording is gone, or the sounds of other clips have filled this file"
_WORDS = {NORMAL: "normal", ANOMALY: "anomalous"}


def machine_part(material: Material, machine: str, anchor: str) -> Markup:
    """Return everything on one machine; ``anchor`` is the part's id."""
    title = f"{anchor}-title"
    shown: list[Child] = [
        element("h2", machine, id=title),
        element("p", _lede(material, machine)),
        _figures(material, machine),
    ]
    for section in material.sections(machine):
        shown.append(_section(material, (machine, section)))
    shown.append(_training(material, machine))
    return element("section", shown, id=anchor, aria_labelledby=title)


def _lede(material: Material, machine: str) -> str:
    results = material.results
    best = results.best(machine)
    if best is None:
        return f"Scores of system {material.shown_system(machine)}; the clips have no labels."
    score = results.figure(best, machine)
    interval = f" (95 % interval {ends(score)})" if score.has_interval else ""
    others = "" if len(results.systems) == 1 else ", the highest here"
    return f"System {best} scores {percent(score.value)} %{interval}{others}."


def _figures(material: Material, machine: str) -> Markup | None:
    """Return every measure of every section, by system."""
    results = material.results
    rows: list[list[Child]] = []
    names = list(
        dict.fromkeys(
            name
            for result in results.systems.values()
            for key, values in result.sections.items()
            if key[0] == machine
            for name in values
            if name not in _COUNTS
        )
    )
    for system, result in results.systems.items():
        for (of, section), values in result.sections.items():
            if of == machine:
                cells = [percent(values.get(name, math.nan)) for name in names]
                rows.append([joined(system, element("small", f"section {section}")), *cells])
    if not rows:
        return None
    caption = f"{machine}: every measure in percent, for each system and section"
    header = ["System", *(_title(results.rules, name) for name in names)]
    return folded("Every figure", table(caption, header, rows))


def _title(rules: str, name: str) -> str:
    """Return a measure's heading: ``auc_source`` becomes ``AUC (source)``."""
    for measure in RULES[rules].measures:
        if measure.name == name:
            return measure.title
    quality, _, domain = name.partition("_")
    words = {"auc": "AUC (all)", "f1": "F1"}.get(quality, quality)
    return f"{words} ({domain})" if domain else words


def _section(material: Material, key: Key) -> Markup:
    machine, section = key
    shown = material.shown_system(machine)
    scored = {name: of[key] for name, of in material.scores.items() if key in of}
    maps = {
        model: of_model[section]
        for model, of_model in material.maps.get(machine, {}).items()
        if section in of_model
    }
    facts = material.systems.get(shown)
    own = facts.model if facts and facts.model in maps else next(iter(maps), None)
    figures: list[Child] = [_roc(material, key)]
    if shown in scored:
        figures.append(_scores(shown, scored.pop(shown)))
    if own is not None:
        figures.append(_map(material, key, own, maps.pop(own)))
    return joined(
        element("h3", f"{machine}, section {section}"),
        grid(*figures),
        _others(material, key, scored, maps),
        clips_part(material, key),
    )


def _others(
    material: Material,
    key: Key,
    scored: Mapping[str, ScoredSection],
    maps: Mapping[str, Map],
) -> Markup | None:
    """Return the scores of the other systems and the maps of the other models, folded away."""
    figures = [_scores(name, section) for name, section in scored.items()]
    figures += [_map(material, key, model, placed) for model, placed in maps.items()]
    if not figures:
        return None
    return folded(f"Other systems and models ({len(figures)})", grid(*figures))


def _roc(material: Material, key: Key) -> Markup:
    curves = {name: of[key] for name, of in material.curves.items() if key in of}
    where = f"{key[0]} section {key[1]}"
    if not curves:
        return note(f"No ROC curve of {where}: it needs normal and anomalous clips with labels.")
    order = list(material.results.systems)
    areas = {
        name: material.results.systems[name].sections.get(key, {}).get("auc", math.nan)
        for name in curves
    }
    notes = {name: f"AUC {percent(area)}" for name, area in areas.items()}
    label = f"ROC curves of {where}: " + ", ".join(f"system {n} {t}" for n, t in notes.items())
    chart = joined(roc_chart(curves, order, label), line_legend(list(curves), order, notes))
    return figure("ROC", chart, "Over all clips of the section. The diagonal is guessing.")


def _scores(system: str, section: ScoredSection) -> Markup:
    where = f"{section.machine} section {section.section}"
    lines = (
        [_rates(section, domain) for domain in section.groups]
        if section.decisions is not None
        else []
    )
    cut = section.threshold
    found = []
    if cut is not None:
        remark = f" ({cut.note})" if cut.note else ""
        found.append(f"Threshold by {cut.method}, for {100 * cut.rate:g} % false alarms{remark}.")
        found.extend(_longest(section))
    label = f"Scores of system {system}, {where}. {' '.join(lines)}"
    marks = []
    for kind, words in (
        (NORMAL, "normal, upward"),
        (ANOMALY, "anomalous, downward"),
        ("", "unlabelled"),
    ):
        if (section.labels == kind).any():
            swatch = element("rect", x=0, y=1, width=10, height=10, class_=kind or "unknown")
            marks.append((swatch, words))
    return figure(
        f"Scores of system {system}",
        joined(histogram_chart(section, label), mark_legend(marks)),
        [element("span", line) for line in (*found, *lines)],
    )


def _longest(section: ScoredSection) -> list[str]:
    """Say what decides recordings of several windows: the rate is that of recordings."""
    if not section.longer:
        return []
    windows, cut = max(section.longer.items())
    remark = f" ({cut.note})" if cut.note else ""
    return [f"For a recording of {windows} clips, the longest here: {short(cut.value)}{remark}."]


def _rates(section: ScoredSection, domain: str) -> str:
    """Return the reached rates of one domain in words."""
    where = f"{domain} domain" if domain else "all clips"
    parts = []
    if (false := section.rate(NORMAL, domain)).clips:
        parts.append(f"{false} false alarms")
    if (hits := section.rate(ANOMALY, domain)).clips:
        parts.append(f"{hits} anomalies found")
    if not parts:
        parts.append(f"{section.rate('', domain)} called anomalous")
    return f"{where.capitalize()}: {', '.join(parts)}."


def _map(material: Material, key: Key, model: str, placed: Map) -> Markup:
    features = next((f.features for f in material.systems.values() if f.model == model), ())
    label = (
        f"t-SNE of the embeddings of model {model}, {key[0]} section {key[1]}:"
        f" {int((placed.labels == NORMAL).sum())} normal clips,"
        f" {int((placed.labels == ANOMALY).sum())} anomalous"
    )
    chart = joined(map_chart(placed, label), mark_legend(_map_marks(placed)))
    what = f"Model {model}" + (f", on {' + '.join(features)}" if features else "")
    caption = f"{what}. t-SNE: near clips are alike; far ones only differ."
    return figure("Embeddings", chart, caption)


def _map_marks(placed: Map) -> list[tuple[Markup, str]]:
    slanted, upright = "M3 3L9 9M3 9L9 3", "M6 1.5V10.5M1.5 6H10.5"
    pairs = zip(placed.labels.tolist(), placed.domains.tolist(), strict=True)
    present = {(label, domain == "target") for label, domain in pairs}
    split = any(target for _, target in present)
    marks = []
    for label, target in (
        (NORMAL, False),
        (NORMAL, True),
        (ANOMALY, False),
        (ANOMALY, True),
        ("", False),
    ):
        if (label, target) not in present:
            continue
        if label == ANOMALY:
            path = upright if target else slanted
            mark = element("path", d=path, class_="cross anomalous")
        else:
            kind = "unknown" if not label else ("open" if target else "normal")
            mark = element("circle", cx=6, cy=6, r=3.2, class_=kind)
        words = _WORDS.get(label, "unlabelled")
        marks.append((mark, f"{words}, {'target' if target else 'source'}" if split else words))
    return marks


def _training(material: Material, machine: str) -> Markup:
    panels = material.training_lines(machine)
    head = element("h3", f"{machine}, training")
    if not panels:
        return joined(head, note("No training history of this machine's models was found."))
    order = list(material.histories[machine])
    charts = []
    for column, lines in panels.items():
        words = column.replace("_", " ")
        label = f"{machine}: {words} by epoch, for the models {', '.join(lines)}"
        chart = line_chart(lines, order, ("epoch", words), label)
        charts.append(
            figure(words.capitalize(), joined(chart, line_legend(list(lines), order, {})))
        )
    first, more = charts[:3], charts[3:]
    rest = folded(f"More curves ({len(more)})", grid(*more)) if more else None
    return joined(head, grid(*first), rest)


def clips_part(material: Material, key: Key) -> Markup | None:
    """Return the clips of one section that are worth a look and a listen."""
    shown = [clip for clip in material.clips.get(key[0], ()) if clip.choice.key == key]
    if not shown:
        return None
    pictures = iter(spectrogram_uris([c.picture for c in shown if c.picture is not None]))
    cards = [_card(clip, next(pictures) if clip.picture is not None else None) for clip in shown]
    system = material.clips_of.get(key[0], "")
    heading = f"Clips that stand out for system {system}"
    silent = sum(clip.sound is None for clip in shown)
    said = note(f"{silent} without sound: {_SILENT}.") if silent else None
    reasons = [_reason(clip) for clip in shown if clip.reason is not None]
    return joined(element("h4", heading), grid(*cards), *reasons, said)


def _reason(clip: ShownClip) -> Markup:
    """Return which parts of a clip make its score, beside the nearest normal clip."""
    name = clip.choice.name
    alt = (
        f"{name} and the nearest normal clip as log-mel spectrograms, their difference, and how far"
        " the score falls when a part is replaced by that of the normal clip"
    )
    picture = element("img", src=png_uri(clip.reason or b""), alt=alt, class_="reason")
    return figure(f"Why {name} scores high", picture)


def _card(clip: ShownClip, picture: str | None) -> Markup:
    choice = clip.choice
    tag = element(
        "span", _WORDS.get(choice.label, "unlabelled"), class_=f"tag {choice.label}".strip()
    )
    what: list[Child] = [element("p", element("strong", choice.why), class_="why")]
    if picture is not None:
        alt = f"Log-mel spectrogram of {choice.name}, {clip.seconds:.1f} s, low frequencies below"
        what.append(element("img", src=picture, alt=alt, width=320, height=128))
    if clip.sound is not None:
        source = wav_uri(clip.sound.samples, clip.sound.sample_rate)
        label = f"Sound of {choice.name}"
        what.append(
            element("audio", controls=True, preload="metadata", src=source, aria_label=label)
        )
    facts: list[tuple[str, Child]] = [
        ("Clip", element("code", choice.name)),
        ("Truth", joined(tag, f" {choice.domain} domain" if choice.domain else "")),
        ("Score", f"{short(choice.score)}, rank {choice.rank} of its section"),
    ]
    if choice.called is not None:
        facts.append(("Decision", "anomalous" if choice.called else "normal"))
    if clip.attributes:
        facts.append(("State", clip.attributes.replace(";", ", ").replace("=", " ")))
    listed = [[element("dt", name), element("dd", value)] for name, value in facts]
    return element("figure", what, element("figcaption", element("dl", listed)), class_="clip")
