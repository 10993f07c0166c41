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
from asd.cli.report_reasons import explained
from asd.clips.record import Clip
from asd.errors import AsdError, JobError, UsageError
from asd.params import Params
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

Clips = Mapping[str, Sequence[Clip]]  # every row of the index, by machine
# The windows (or one clip) of every usable test recording, by machine, section and name.
Recordings = Mapping[tuple[str, str, str], Sequence[Clip]]
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
    tested = _tested(clips)
    facts = [replace(windows[0], name=windows[0].recording) for windows in tested.values()]
    scores = read_scores(project.data / "scores", results.systems, facts) if tested else {}
    if tested and not any(scores.values()):
        raise UsageError(f"{project.data / 'scores'}: no scores yet; run 'asd score' first")
    systems = {name: _facts(params, name) for name in params.every_system if name in scores}
    models = tuple(dict.fromkeys(m for name in systems for m in params.models_of(name)))
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
        clips=_shown(project, choices, tested, shown),
        clips_of=shown,
        store=_store(project, project.machines()),
        counts=_counts(results, scores, clips),
        provenance=_provenance(project, results, clips, records),
        records=records,
    )


def _facts(params: Params, name: str) -> SystemFacts:
    models = params.models_of(name)
    features = (feature for model in models for feature in params.every_model[model].features)
    system = params.systems.get(name)
    scorer = system.scorer if system else f"{params.join(name)} of members"
    return SystemFacts(" + ".join(models), tuple(dict.fromkeys(features)), scorer)


def _tested(clips: Clips) -> Recordings:
    found: dict[tuple[str, str, str], list[Clip]] = {}
    for of_machine in clips.values():
        for clip in of_machine:
            if clip.usable and clip.split == "test":
                found.setdefault((clip.machine, clip.section, clip.recording), []).append(clip)
    return found


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
                embedding = _embedding(bank)
                if embedding is not None:
                    of_machine[model] = _layouts(bank, embedding, truth)
                advance()
    return found


def _embedding(bank: Bank) -> np.ndarray | None:
    """Return the embedding (N, D) of a model, or the first of several that it has."""
    several = (
        values for name, values in bank.arrays.items() if values.ndim == 2 and name != "logits"
    )
    return bank.arrays.get("embedding", next(several, None))


def _layouts(bank: Bank, embedding: np.ndarray, truth: Mapping[str, Clip]) -> dict[str, Map]:
    found = {}
    for section in bank.sections:
        rows = [i for i, of in enumerate(bank.section) if of == section and bank.name[i] in truth]
        places = lay_out(embedding[rows])
        if places is not None:
            of_rows = [truth[bank.name[row]] for row in rows]
            labels = np.array([clip.label for clip in of_rows], dtype=np.str_)
            domains = np.array([clip.domain for clip in of_rows], dtype=np.str_)
            found[section] = Map(places, labels, domains)
    return found


def _shown(
    project: Project,
    choices: Mapping[str, Sequence[Choice]],
    tested: Recordings,
    systems: Mapping[str, str],
) -> dict[str, list[ShownClip]]:
    """Fetch pictures and sounds of the chosen clips; sounds as far as there is room for them."""
    room = SOUND_BYTES
    fetched: dict[Choice, ShownClip] = {}
    # The machines in turn, so that a long list of one leaves room for the others.
    for turn in zip_longest(*(in_turn(of_machine) for of_machine in choices.values())):
        for choice in filter(None, turn):
            windows = tested[(*choice.key, choice.name)]
            size = wav_uri_size(length_of(windows))
            sound = _sound(project, windows) if size <= room else None
            room -= size if sound else 0
            fetched[choice] = ShownClip(
                choice,
                windows[0].attributes,
                length_of(windows) / project.params.index.sample_rate,
                _picture(project, windows),
                sound,
            )
    return {
        machine: explained(project, machine, systems[machine], [fetched[one] for one in of_machine])
        for machine, of_machine in choices.items()
    }


def _picture(project: Project, windows: Sequence[Clip]) -> np.ndarray | None:
    """Return the log-mel (F, T) of a recording; of a long one the maximum of neighbouring frames.

    The loudest frame is kept, for what is short must not vanish from a picture of ten minutes.
    """
    rows = [row for clip in windows if (row := _row(project, clip, "logmel")) is not None]
    if len(rows) < len(windows):
        return None
    whole = joined(rows, windows)
    columns = rows[0].shape[-1]
    if whole.shape[-1] <= 2 * columns:
        return whole
    begins = np.linspace(0, whole.shape[-1], columns, endpoint=False).astype(int)
    return np.maximum.reduceat(whole, begins, axis=-1)


def _sound(project: Project, windows: Sequence[Clip]) -> Sound | None:
    """Return a recording from the store or from its file; None where neither is there."""
    from asd.clips.audio import Signal, read_windows

    index = project.params.index
    rows = [row for clip in windows if (row := _row(project, clip, "wave")) is not None]
    if len(rows) < len(windows):
        first = windows[0]
        try:
            signal = Signal(index.sample_rate, first.length, index.channel)
            path = project.raw / first.path
            rows = list(read_windows(path, signal, [clip.start for clip in windows]))
        except AsdError:
            return None
    return Sound(joined(rows, windows), index.sample_rate)


def length_of(windows: Sequence[Clip]) -> int:
    """Return how many samples consecutive windows of a recording cover."""
    return windows[-1].start + windows[-1].length


def joined(rows: Sequence[np.ndarray], windows: Sequence[Clip]) -> np.ndarray:
    """Join rows (..., T) of consecutive windows in time; where two overlap, the first counts."""
    parts, end = [], 0
    for row, clip in zip(rows, windows, strict=True):
        parts.append(row[..., round((end - clip.start) / clip.length * row.shape[-1]) :])
        end = clip.start + clip.length
    return np.concatenate(parts, axis=-1)


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
