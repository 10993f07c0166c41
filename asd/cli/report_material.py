"""Gathers what ``asd report`` shows, from every file of a project, as plain data."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from asd import __version__
from asd.cli.project import Project
from asd.clips.record import Clip
from asd.errors import AsdError, JobError, UsageError
from asd.progress import progress
from asd.report.choice import Choice, choose, in_turn
from asd.report.maps import Map, lay_out
from asd.report.material import (
    History,
    Material,
    ShownClip,
    Sound,
    StoredFeature,
    SystemFacts,
)
from asd.report.media import wav_uri_size
from asd.report.page.sources import flattened
from asd.report.results import Results, read_results
from asd.report.scores import Scores, read_curves, read_scores
from asd.scoring.bank import Bank, read_bank
from asd.store import FeatureStore, Shard
from asd.store.digest import sha256_json

Clips = Mapping[str, Sequence[Clip]]  # every recording of the index, by machine
Records = Mapping[str, Mapping[str, Mapping[str, object]]]  # model.json by machine and model

SOUND_BYTES = 5_000_000  # of all sounds in the page, which then stays below 10 MB


def gather(project: Project, others: Sequence[Path] = ()) -> Material:
    """Read everything that a report shows.

    Args:
        project: the project, evaluated.
        others: ``metrics.json`` of further seeds.

    Raises:
        UsageError: the metrics, an index, the scores or a bank is missing; the message names the
            verb to run first.
        JobError: a file is damaged.
    """
    params = project.params
    results = read_results([project.reports / "metrics.json", *others])
    clips = {machine: project.clips(machine) for machine in project.machines()}
    scores = read_scores(project.data / "scores", results.systems, _tested(clips))
    if not any(scores.values()):
        raise UsageError(f"{project.data / 'scores'}: no scores yet; run 'asd score' first")
    systems = {
        name: SystemFacts(system.model, params.models[system.model].features, system.scorer)
        for name, system in params.systems.items()
        if name in scores
    }
    models = tuple(dict.fromkeys(system.model for system in systems.values()))
    curves = {name: read_curves(project.reports / "roc" / f"{name}.csv") for name in scores}
    basis = Material(params.dataset.name, results, systems, scores, curves)
    machines = basis.machines
    shown = {machine: basis.shown_system(machine) for machine in machines}
    choices = {machine: choose(basis.scored(shown[machine], machine)) for machine in machines}
    records = _records(project, machines, models)
    return replace(
        basis,
        histories=_histories(project, machines, models),
        maps=_maps(project, machines, models, clips),
        clips=_shown(project, choices, clips),
        clips_of=shown,
        store=_store(project, machines),
        counts=_counts(results, scores, clips),
        provenance=_provenance(project, results, clips, records),
        records=records,
    )


def _tested(clips: Clips) -> list[Clip]:
    return [
        c for of_machine in clips.values() for c in of_machine if c.usable and c.split == "test"
    ]


def _histories(
    project: Project, machines: Iterable[str], models: Sequence[str]
) -> dict[str, dict[str, History]]:
    found: dict[str, dict[str, History]] = {machine: {} for machine in machines}
    for machine, of_machine in found.items():
        for model in models:
            path = project.model_dir(model, machine) / "history.csv"
            if path.is_file():
                of_machine[model] = _history(path)
    return found


def _history(path: Path) -> History:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
        columns = list(rows[0]) if rows else []
        history = {
            column: [float(row[column]) if row[column] else math.nan for row in rows]
            for column in columns
        }
        return history if "epoch" in history else {}
    except (ValueError, TypeError, KeyError, csv.Error):
        raise JobError(f"{path}: not a training history; run 'asd train' again") from None


def _maps(
    project: Project, machines: Iterable[str], models: Sequence[str], clips: Clips
) -> dict[str, dict[str, dict[str, Map]]]:
    """Lay out the embeddings of every machine's test clips, for the models that have them."""
    found: dict[str, dict[str, dict[str, Map]]] = {machine: {} for machine in machines}
    with progress(len(found) * len(models), "t-SNE", "model") as advance:
        for machine, of_machine in found.items():
            truth = {clip.name: clip for clip in clips[machine] if clip.split == "test"}
            for model in models:
                bank = read_bank(project.bank_dir(model, machine) / "test.h5")
                if "embedding" in bank.arrays:
                    of_machine[model] = _layouts(bank, truth)
                advance()
    return found


def _layouts(bank: Bank, truth: Mapping[str, Clip]) -> dict[str, Map]:
    found = {}
    for section in bank.sections:
        rows = [i for i, of in enumerate(bank.section) if of == section and bank.name[i] in truth]
        places = lay_out(bank.arrays["embedding"][rows])
        if places is not None:
            of_rows = [truth[bank.name[row]] for row in rows]
            labels = np.array([clip.label for clip in of_rows], dtype=np.str_)
            domains = np.array([clip.domain for clip in of_rows], dtype=np.str_)
            found[section] = Map(places, labels, domains)
    return found


def _shown(
    project: Project, choices: Mapping[str, Sequence[Choice]], clips: Clips
) -> dict[str, list[ShownClip]]:
    """Fetch pictures and sounds of the chosen clips; sounds as far as there is room for them."""
    records = {(clip.machine, clip.section, clip.name): clip for clip in _tested(clips)}
    room = SOUND_BYTES
    fetched: dict[Choice, ShownClip] = {}
    # The machines in turn, so that a long list of one leaves room for the others.
    for turn in zip_longest(*(in_turn(of_machine) for of_machine in choices.values())):
        for choice in filter(None, turn):
            clip = records[(*choice.key, choice.name)]
            sound = _sound(project, clip) if wav_uri_size(clip.length) <= room else None
            room -= wav_uri_size(clip.length) if sound else 0
            fetched[choice] = ShownClip(
                choice,
                clip.attributes,
                clip.length / project.params.index.sample_rate,
                _row(project, clip, "logmel"),
                sound,
            )
    return {
        machine: [fetched[choice] for choice in of_machine]
        for machine, of_machine in choices.items()
    }


def _sound(project: Project, clip: Clip) -> Sound | None:
    """Return a clip from the store or from its recording; None where neither is there."""
    from asd.clips.audio import Signal, read_clip

    index = project.params.index
    samples = _row(project, clip, "wave")
    if samples is None:
        try:
            signal = Signal(index.sample_rate, clip.length, index.channel)
            samples = read_clip(project.raw / clip.path, signal)
        except AsdError:
            return None
    return Sound(samples, index.sample_rate)


def _row(project: Project, clip: Clip, extractor: str) -> np.ndarray | None:
    """Return a clip's row of the first stored feature of an extractor; None where there is none."""
    store = FeatureStore(project.features)
    for feature, values in project.params.features.items():
        path = store.path(clip.machine, feature, clip.section, clip.split)
        if values.get("extractor") == extractor and path.is_file():
            shard = Shard.open(path)
            names = shard.column("name")
            if clip.name in names:
                return np.array(shard.features[names.index(clip.name)])
    return None


def _store(project: Project, machines: Sequence[str]) -> list[StoredFeature]:
    store = FeatureStore(project.features)
    found = []
    for machine in machines:
        for folder in sorted(path for path in (store.root / machine).glob("*") if path.is_dir()):
            paths = store.paths(machine, folder.name)
            if paths:
                shards = [Shard.open(path) for path in paths]
                found.append(_stored(machine, folder.name, shards))
    return found


def _stored(machine: str, feature: str, shards: Sequence[Shard]) -> StoredFeature:
    rows = {f"{' x '.join(map(str, shard.row_shape))} {shard.dtype}" for shard in shards}
    return StoredFeature(
        machine=machine,
        feature=feature,
        shards=len(shards),
        clips=sum(map(len, shards)),
        row=", ".join(sorted(rows)),
        bytes=sum(shard.path.stat().st_size for shard in shards),
        digest=", ".join(sorted({shard.digest for shard in shards})),
    )


def _counts(results: Results, scores: Scores, clips: Clips) -> list[tuple[str, str]]:
    usable = Counter(clip.split for of in clips.values() for clip in of if clip.usable)
    sections = {key for of_system in scores.values() for key in of_system}
    return [
        ("machines", str(len({machine for machine, _ in sections}))),
        ("sections scored", str(len(sections))),
        ("systems", str(len(scores))),
        ("training clips", f"{usable['train']:,}"),
        ("test clips", f"{usable['test']:,}"),
        ("rules", results.rules),
    ]


def _provenance(
    project: Project, results: Results, clips: Clips, records: Records
) -> list[tuple[str, str]]:
    params = project.params
    rejected = Counter(clip.status for of in clips.values() for clip in of if not clip.usable)
    reasons = "; ".join(f"{count} x {status}" for status, count in sorted(rejected.items()))
    digests = {m: sorted(clip.digest for clip in of if clip.usable) for m, of in clips.items()}
    bootstrap = f"{results.resamples:,} resamples, seed {results.seed}"
    return [
        ("data set", params.dataset.name),
        ("recordings (SHA-256 of their digests)", sha256_json(digests)),
        ("recordings left out", reasons or "none"),
        ("parameters (SHA-256)", sha256_json(params.model_dump(mode="json"))),
        ("asd that wrote this report", __version__),
        *_made_with(records),
        (
            "threshold",
            f"{params.score.threshold}, for {100 * params.score.false_alarm_rate:g} % false alarms",
        ),
        ("intervals", bootstrap if results.resamples else "none"),
    ]


def _made_with(records: Records) -> list[tuple[str, str]]:
    """Return what the models say of their training and libraries, each distinct value once."""
    found: dict[str, dict[str, None]] = {}
    for of_machine in records.values():
        for record in of_machine.values():
            for name, value in flattened(record):
                kind = name.removeprefix("request.")
                if kind.startswith(("train.", "versions.")):
                    found.setdefault(kind, {})[value] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def _records(project: Project, machines: Sequence[str], models: Sequence[str]) -> Records:
    found: dict[str, dict[str, dict[str, object]]] = {machine: {} for machine in machines}
    for machine, of_machine in found.items():
        for model in models:
            path = project.model_dir(model, machine) / "model.json"
            if path.is_file():
                try:
                    of_machine[model] = dict(json.loads(path.read_text(encoding="utf-8")))
                except (ValueError, TypeError):
                    raise JobError(f"{path}: not a model's record; run 'asd train'") from None
    return found
