"""Gathers what ``asd report`` shows, from every file of a project, as plain data."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asd.cli.project import Project
from asd.cli.report_clips import Recordings, shown_clips
from asd.cli.report_provenance import Clips, Records, counts, provenance
from asd.clips.record import Clip
from asd.errors import JobError, UsageError
from asd.params import Params
from asd.progress import progress
from asd.report.choice import choose
from asd.report.maps import Map, lay_out
from asd.report.material import (
    History,
    Material,
    StoredFeature,
    SystemFacts,
)
from asd.report.results import read_results
from asd.report.scores import read_curves, read_scores
from asd.scoring.bank import Bank, read_bank
from asd.store import FeatureStore, Shard


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
        clips=shown_clips(project, choices, tested, shown),
        clips_of=shown,
        store=_store(project, project.machines()),
        counts=counts(results, scores, clips),
        provenance=provenance(project, results, clips, records),
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
