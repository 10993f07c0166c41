"""What ``asd report`` says of the numbers: what they were counted on, and what made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from asd import __version__
from asd.cli.project import Project
from asd.clips.record import Clip
from asd.report.page import flattened
from asd.report.results import Results
from asd.report.scores import Scores
from asd.store.digest import sha256_json

Clips = Mapping[str, Sequence[Clip]]  # every row of the index, by machine
Records = Mapping[str, Mapping[str, Mapping[str, object]]]  # model.json by machine and model


def counts(results: Results, scores: Scores, clips: Clips) -> list[tuple[str, str]]:
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


def provenance(
    project: Project, results: Results, clips: Clips, records: Records
) -> list[tuple[str, str]]:
    """Return what made the numbers, as names and values: recordings, params, versions."""
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
