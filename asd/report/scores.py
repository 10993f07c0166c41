"""The score files of every system, with what is known of each clip."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asd.errors import JobError, UsageError
from asd.metrics.files import Entry, Problems, merged, parse_flag, parse_score, read_values
from asd.metrics.results import DECISIONS, SCORES, SystemFiles, find_systems
from asd.metrics.rules import DOMAINS, Section
from asd.report.results import Key
from asd.scoring.thresholds import Threshold, read_recording_thresholds, read_thresholds

T = TypeVar("T")
NORMAL, ANOMALY = "normal", "anomaly"


class ClipFacts(Protocol):
    """What a report needs to know of a test clip; a record of the index has it."""

    @property
    def machine(self) -> str: ...
    @property
    def section(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def label(self) -> str: ...


@dataclass(frozen=True)
class Rate:
    """How many of some clips are called anomalous."""

    called: int
    clips: int

    def __str__(self) -> str:
        if not self.clips:
            return "no clips"
        return f"{self.called} of {self.clips} ({100 * self.called / self.clips:.0f} %)"


@dataclass(frozen=True, eq=False)
class ScoredSection:
    """The test clips of one section as one system scored them.

    Attributes:
        machine, section: where they are from.
        names: (N,) clip names, ascending.
        labels: (N,) ``"normal"``, ``"anomaly"`` or ``""``.
        domains: (N,) ``"source"``, ``"target"`` or ``""``.
        scores: (N,), higher for more anomalous.
        decisions: (N,), true where a clip is called anomalous; None without decisions.
        threshold: what the decisions were made by; None where it is not known.
        longer: what they were made by where some recordings are several windows, by how many,
            ascending; empty elsewhere.
    """

    machine: str
    section: str
    names: tuple[str, ...]
    labels: NDArray[np.str_]
    domains: NDArray[np.str_]
    scores: NDArray[np.float64]
    decisions: NDArray[np.bool_] | None
    threshold: Threshold | None = None
    longer: Mapping[int, Threshold] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Machine and section."""
        return self.machine, self.section

    @property
    def cuts(self) -> dict[int, float]:
        """The finite thresholds to show, by windows: of the shortest and of the longest recordings.

        One where both have the same.
        """
        decided = self.longer or ({1: self.threshold} if self.threshold else {})
        finite = {n: one.value for n, one in decided.items() if math.isfinite(one.value)}
        ends = {n: value for n, value in finite.items() if n in (min(finite), max(finite))}
        return ends if len(set(ends.values())) > 1 else dict(list(ends.items())[:1])

    @property
    def groups(self) -> tuple[str, ...]:
        """The domains that the clips are of; ``("",)`` where the domain is not known."""
        present = set(self.domains.tolist())
        return tuple(domain for domain in (*DOMAINS, "") if domain in present)

    def rate(self, label: str, domain: str) -> Rate:
        """Return how many clips of a label and domain are called anomalous."""
        chosen = (self.labels == label) & (self.domains == domain)
        called = chosen if self.decisions is None else chosen & self.decisions
        return Rate(int(called.sum()), int(chosen.sum()))

    def labelled(self) -> Section | None:
        """Return the section as the metrics take it; None where a label is missing."""
        if not np.isin(self.labels, (NORMAL, ANOMALY)).all():
            return None
        return Section(
            self.machine,
            self.section,
            self.names,
            self.labels == ANOMALY,
            self.domains,
            self.scores,
            self.decisions,
        )


Scores = Mapping[str, Mapping[Key, ScoredSection]]  # by system


def read_scores(folder: Path, systems: Iterable[str], clips: Iterable[ClipFacts]) -> Scores:
    """Read the score and decision files of ``systems`` below ``folder``.

    Args:
        folder: one folder a system.
        systems: the systems that are wanted.
        clips: the usable test clips.

    Raises:
        UsageError: there is no such folder, or no score file in it.
        JobError: a file is at fault, or holds a clip that is not among ``clips``.
    """
    problems = Problems()
    try:
        found = find_systems(folder, problems)
    except UsageError:
        raise UsageError(f"{folder}: no scores yet; run 'asd score' first") from None
    facts: dict[Key, dict[str, ClipFacts]] = {}
    for clip in clips:
        facts.setdefault((clip.machine, clip.section), {})[clip.name] = clip
    read = {
        name: {
            key: _section(found[name], key, facts[key], problems)
            for key in sorted(found[name].sections(SCORES) & facts.keys())
        }
        for name in systems
        if name in found
    }
    problems.check()
    return read


@dataclass(frozen=True, eq=False)
class Curve:
    """A ROC curve: false positive rate and true positive rate (K,), rising."""

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


def read_curves(path: Path) -> dict[Key, Curve]:
    """Read the ROC curves of one system, as written by ``asd evaluate``; none without the file.

    Raises:
        JobError: the file is not of that kind.
    """
    points: dict[Key, list[tuple[float, float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                point = float(row["fpr"]), float(row["tpr"])
                points.setdefault((row["machine"], row["section"]), []).append(point)
    except FileNotFoundError:
        return {}
    except (KeyError, ValueError, TypeError, csv.Error):
        raise JobError(f"{path}: not ROC curves; run 'asd evaluate' again") from None
    return {key: Curve(*zip(*of_key, strict=True)) for key, of_key in points.items()}


def _section(
    files: SystemFiles, key: Key, facts: Mapping[str, ClipFacts], problems: Problems
) -> ScoredSection:
    scores = _values(files, SCORES, key, parse_score, problems)
    decisions = _values(files, DECISIONS, key, parse_flag, problems)
    for name in sorted(scores.keys() - facts.keys()):
        problems.add(f"{scores[name]}: clip '{name}' is not in the index; run 'asd score' again")
    if decisions and decisions.keys() != scores.keys():
        problems.add(
            f"{files.folder}: {key[0]} section {key[1]} has not the same clips in its scores and"
            " decisions; run 'asd score' again"
        )
    names = sorted(scores.keys() & facts.keys() & (decisions.keys() or scores.keys()))
    path = files.folder / f"threshold_{key[0]}.json"
    thresholds = read_thresholds(path) if path.is_file() else {}
    longer = read_recording_thresholds(path) if path.is_file() else {}
    return ScoredSection(
        *key,
        names=tuple(names),
        labels=np.array([facts[name].label for name in names], dtype=np.str_),
        domains=np.array([facts[name].domain for name in names], dtype=np.str_),
        scores=np.array([scores[name].value for name in names], dtype=np.float64),
        decisions=np.array([decisions[n].value for n in names], np.bool_) if decisions else None,
        threshold=thresholds.get(key[1]),
        longer=longer.get(key[1], {}),
    )


def _values(
    files: SystemFiles, kind: str, key: Key, parse: Callable[[str], T], problems: Problems
) -> Mapping[str, Entry[T]]:
    paths = files.files.get((kind, *key), [])
    return merged([read_values(path, parse, problems) for path in paths], problems)
