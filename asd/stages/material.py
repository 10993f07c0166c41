"""Gathers what a report shows, from every artifact of a workspace, as plain data."""

from __future__ import annotations

import csv
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from asd.artifact import RECORD, Record, read_record
from asd.clips.record import Clip
from asd.digest import sha256_json
from asd.errors import AsdError, JobError, UsageError
from asd.params import Params
from asd.progress import progress
from asd.report.material import (
    Choice,
    History,
    Map,
    Material,
    ShownClip,
    StoredFeature,
    SystemFacts,
    choose,
    in_turn,
    lay_out,
)
from asd.report.media import encoded
from asd.report.results import Results, read_results
from asd.report.scores import ScoredSection, Scores, read_curves, scored_sections
from asd.report.tables import flattened
from asd.scoring.bank import Bank, read_bank
from asd.scoring.scored import read_scores_record, read_table, read_thresholds
from asd.stages.evaluate import NAME, FiguresRequest, evaluated
from asd.stages.index import clips_of, rejected_by_reason
from asd.store import FeatureStore, Shard
from asd.training.artifact import HISTORY, ModelRequest
from asd.version import __version__
from asd.workspace import Workspace

T = TypeVar("T")
Clips = Mapping[str, Sequence[Clip]]
"""Every row of the index, by machine."""
Recordings = Mapping[tuple[str, str, str], Sequence[Clip]]
"""The windows (or one clip) of every usable test recording, by machine, section and name."""
Records = Mapping[str, Mapping[str, Record]]
"""The record of each model, by machine and model."""

SOUND_BYTES = 5_000_000  # of all sounds in the page, which then stays below 10 MB


def gather(
    workspace: Workspace, others: Sequence[Path] = (), chosen: Sequence[str] = ()
) -> Material:
    """Read everything that a report shows.

    Args:
        workspace: the workspace, evaluated.
        others: ``metrics.json`` of further seeds.
        chosen: systems that are shown beside the best ones.

    Raises:
        UsageError: the metrics, an index, the scores or a bank is missing; the message names the
            verb to run first.
        JobError: a file is damaged.
    """
    params = workspace.params
    results, of_figures = figures_of(workspace, others)
    clips = {machine: clips_of(workspace, machine) for machine in of_figures}
    tested = _tested(clips)
    scores = _scores(workspace, results.systems, of_figures, tested) if tested else {}
    if tested and not any(scores.values()):
        raise UsageError(f"{workspace.work / 'scores'}: no scores yet; run 'asd score' first")
    systems = {name: _facts(params, name) for name in params.every_system if name in scores}
    models = tuple(dict.fromkeys(m for name in systems for m in params.models_of(name)))
    curves = {name: read_curves(workspace.reports / "roc" / f"{name}.csv") for name in scores}
    basis = Material(params.dataset.name, results, systems, scores, curves, chosen=chosen)
    machines = basis.machines
    shown = {machine: basis.shown_system(machine) for machine in machines}
    choices = {machine: choose(basis.scored(shown[machine], machine)) for machine in machines}
    records: Records = _of_models(
        workspace, machines, models, RECORD, lambda path: read_record(path, ModelRequest)
    )
    return replace(
        basis,
        histories=_of_models(workspace, machines, models, HISTORY, _history),
        maps=_maps(workspace, {m: params.models_of(of) for m, of in shown.items()}, clips),
        clips=_shown_clips(workspace, choices, tested, shown),
        clips_of=shown,
        store=_store(workspace, of_figures),
        counts=_counts(results, scores, clips),
        provenance=_provenance(workspace, results, clips, records),
        records={
            machine: {model: _said(record) for model, record in of.items()}
            for machine, of in records.items()
        },
    )


def figures_of(
    workspace: Workspace, others: Sequence[Path] = ()
) -> tuple[Results, tuple[str, ...]]:
    """Read the figures of a workspace, or their means with those of further seeds.

    Returns:
        The figures, and the machines that they are of.

    Raises:
        UsageError: they are missing.
        JobError: a file is damaged.
    """
    record = read_record(workspace.reports / NAME, FiguresRequest)
    for name in record.files:
        if not name.startswith("official/"):  # which are of no use here
            record.file(name)
    results = read_results([workspace.reports / "metrics.json", *others])
    return results, evaluated(workspace, record)


def _facts(params: Params, name: str) -> SystemFacts:
    models = params.models_of(name)
    features = (feature for model in models for feature in params.every_model[model].features)
    system = params.systems.get(name)
    scorer = system.scorer if system else f"{params.join(name)} of members"
    return SystemFacts(" + ".join(models), tuple(dict.fromkeys(features)), scorer)


def _scores(
    workspace: Workspace, systems: Iterable[str], machines: Sequence[str], tested: Recordings
) -> Scores:
    """Read the scores of systems that are still in the params, with the truth of the index."""
    facts: dict[tuple[str, str], dict[str, Clip]] = {}
    for (machine, section, recording), windows in tested.items():
        facts.setdefault((machine, section), {})[recording] = windows[0]
    found: dict[str, dict[tuple[str, str], ScoredSection]] = {}
    for system in systems:
        for machine in machines if system in workspace.systems() else ():
            path = workspace.score_record(system, machine)
            if path.exists():
                record = read_scores_record(path)
                sections = scored_sections(
                    machine, read_table(record), read_thresholds(record), facts
                )
                found.setdefault(system, {}).update(sections)
    return found


def _tested(clips: Clips) -> Recordings:
    found: dict[tuple[str, str, str], list[Clip]] = {}
    for of_machine in clips.values():
        for clip in of_machine:
            if clip.usable and clip.split == "test":
                found.setdefault((clip.machine, clip.section, clip.recording), []).append(clip)
    return found


def _of_models(
    workspace: Workspace,
    machines: Iterable[str],
    models: Sequence[str],
    name: str,
    read: Callable[[Path], T],
) -> dict[str, dict[str, T]]:
    """Read a file of every model that has it, by machine and model."""
    found = {}
    for machine in machines:
        paths = {m: workspace.model_record(m, machine).with_name(name) for m in models}
        found[machine] = {model: read(path) for model, path in paths.items() if path.is_file()}
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
    workspace: Workspace, models: Mapping[str, Sequence[str]], clips: Clips
) -> dict[str, dict[str, dict[str, Map]]]:
    """Lay out the embeddings of every machine's test clips, by the first model that has them."""
    found: dict[str, dict[str, dict[str, Map]]] = {machine: {} for machine in models}
    with progress(len(found), "t-SNE", "machine") as advance:
        for machine, of_machine in found.items():
            truth = {clip.name: clip for clip in clips[machine] if clip.split == "test"}
            for model in models[machine]:
                bank = read_bank(workspace.bank_record(model, machine).with_name("test.h5"))
                embedding = _embedding(bank)
                if embedding is not None:
                    of_machine[model] = _layouts(bank, embedding, truth)
                    break
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
        names = bank.clips.name
        rows = [i for i, of in enumerate(bank.clips.section) if of == section and names[i] in truth]
        places = lay_out(embedding[rows])
        if places is not None:
            of_rows = [truth[names[row]] for row in rows]
            labels = np.array([clip.label for clip in of_rows], dtype=np.str_)
            domains = np.array([clip.domain for clip in of_rows], dtype=np.str_)
            found[section] = Map(places, labels, domains)
    return found


def _store(workspace: Workspace, machines: Sequence[str]) -> list[StoredFeature]:
    store = FeatureStore(workspace.features)
    found = []
    for machine in machines:
        for folder in sorted(path for path in (store.root / machine).glob("*") if path.is_dir()):
            shards = [Shard.open(path) for path in store.paths(machine, folder.name)]
            rows = {f"{' x '.join(map(str, shard.row_shape))} {shard.dtype}" for shard in shards}
            if shards:
                found.append(
                    StoredFeature(
                        machine=machine,
                        feature=folder.name,
                        shards=len(shards),
                        clips=sum(map(len, shards)),
                        row=", ".join(sorted(rows)),
                        bytes=sum(shard.path.stat().st_size for shard in shards),
                        digest=", ".join(sorted({shard.spec.digest for shard in shards})),
                    )
                )
    return found


def _said(record: Record) -> dict[str, object]:
    """Return what a record says of the making of its artifact."""
    return {
        "request": dict(record.request),
        "computed": dict(record.facts.get("computed", {})),
        "versions": dict(record.versions),
        "digest": record.digest,
    }


def _shown_clips(
    workspace: Workspace,
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
            sound = _sound(workspace, windows) if room > 0 else None
            size = len(sound) * 4 // 3 if sound else 0
            sound, room = (sound, room - size) if size <= room else (None, room)
            fetched[choice] = ShownClip(
                choice,
                windows[0].attributes,
                _length_of(windows) / workspace.params.index.sample_rate,
                _picture(workspace, windows),
                sound,
            )
    return {
        machine: _explained(
            workspace, machine, systems[machine], [fetched[one] for one in of_machine]
        )
        for machine, of_machine in choices.items()
    }


def _picture(workspace: Workspace, windows: Sequence[Clip]) -> np.ndarray | None:
    """Return the log-mel (F, T) of a recording; of a long one the maximum of neighbouring frames.

    The loudest frame is kept, for what is short must not vanish from a picture of ten minutes.
    """
    rows = [row for clip in windows if (row := _row(workspace, clip, "logmel")) is not None]
    if len(rows) < len(windows):
        return None
    whole = _joined(rows, windows)
    columns = rows[0].shape[-1]
    if whole.shape[-1] <= 2 * columns:
        return whole
    begins = np.linspace(0, whole.shape[-1], columns, endpoint=False).astype(int)
    return np.maximum.reduceat(whole, begins, axis=-1)


def _sound(workspace: Workspace, windows: Sequence[Clip]) -> bytes | None:
    """Return a recording, encoded, from the store or its file; None where neither is there."""
    from asd.clips.audio import Signal, read_windows

    index = workspace.params.index
    rows = [row for clip in windows if (row := _row(workspace, clip, "wave")) is not None]
    if len(rows) < len(windows):
        first = windows[0]
        try:
            signal = Signal(index.sample_rate, first.length, index.channel, first.full_scale)
            path = workspace.raw / first.path
            starts = [clip.start for clip in windows]
            rows = list(read_windows(path, signal, starts, first.digest))
        except AsdError:
            return None
    return encoded(_joined(rows, windows), index.sample_rate)


def _length_of(windows: Sequence[Clip]) -> int:
    """Return how many samples consecutive windows of a recording cover."""
    return windows[-1].start + windows[-1].length


def _joined(rows: Sequence[np.ndarray], windows: Sequence[Clip]) -> np.ndarray:
    """Join rows (..., T) of consecutive windows in time; where two overlap, the first counts."""
    parts, end = [], 0
    for row, clip in zip(rows, windows, strict=True):
        parts.append(row[..., round((end - clip.start) / clip.length * row.shape[-1]) :])
        end = clip.start + clip.length
    return np.concatenate(parts, axis=-1)


def _row(workspace: Workspace, clip: Clip, extractor: str) -> np.ndarray | None:
    """Return a clip's row of the first stored feature of an extractor; None where there is none."""
    store = FeatureStore(workspace.features)
    for feature in workspace.params.features_of(extractor):
        path = store.path(clip.machine, feature, clip.section, clip.split)
        # By content: what no model reads any more may be of a recording of before.
        row = Shard.open(path).row(clip.content) if path.is_file() else None
        if row is not None:
            return row
    return None


def _explained(
    workspace: Workspace, machine: str, system: str, clips: Sequence[ShownClip]
) -> list[ShownClip]:
    """Return the clips, the one that is farthest above the others explained.

    It is left as it is where its recording, its model or its bank is gone, or where the model reads
    nothing of which a part can be replaced: the report is of what was scored, whatever is left.
    """
    first = max(clips, key=lambda clip: (clip.choice.rank == 1, clip.choice.score), default=None)
    reason = _reason(workspace, machine, system, first) if first is not None else None
    return [replace(clip, reason=reason) if clip is first else clip for clip in clips]


def _reason(workspace: Workspace, machine: str, system: str, clip: ShownClip) -> str | None:
    from matplotlib import rc_context

    from asd.detection.detector import Detector

    section = clip.choice.key[1]
    try:
        detector = Detector(workspace, machine, system)
        path = next(
            workspace.raw / one.path
            for one in clips_of(workspace, machine)
            if (one.split, one.section, one.recording) == ("test", section, clip.choice.name)
        )
        # A fixed salt: the same picture has the same ids.
        with tempfile.TemporaryDirectory() as folder, rc_context({"svg.hashsalt": "reason"}):
            picture = detector.explain(path, section).write(Path(folder) / "reason.svg")
            return picture.read_text(encoding="utf-8")
    except (AsdError, StopIteration):
        return None


def _counts(results: Results, scores: Scores, clips: Clips) -> list[tuple[str, str]]:
    """Return what the numbers were counted on, as names and values."""
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
    workspace: Workspace, results: Results, clips: Clips, records: Records
) -> list[tuple[str, str]]:
    """Return what made the numbers, as names and values: recordings, params, versions."""
    params = workspace.params
    rejected = Counter[str]()
    for of in clips.values():
        rejected.update(rejected_by_reason(of))
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
            for name, value in flattened(_said(record)):
                kind = name.removeprefix("request.")
                if kind.startswith(("train.", "computed.", "versions.")):
                    found.setdefault(kind, {})[value] = None
    return [(name, ", ".join(values)) for name, values in found.items()]
