"""The scores of every system, with what is known of each recording."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd.clip_table import Row
from asd.errors import JobError
from asd.metrics.roc import RocCurve
from asd.metrics.rules import DOMAINS
from asd.metrics.truth import Key
from asd.scoring.scored import ScoreTable
from asd.scoring.thresholds import Threshold

NORMAL, ANOMALY = "normal", "anomaly"


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

    def said_rates(self) -> list[str]:
        """Return the reached rates of each domain in words; none without decisions."""
        return [self._said_rate(domain) for domain in self.groups if self.decisions is not None]

    def _said_rate(self, domain: str) -> str:
        where = f"{domain} domain" if domain else "all clips"
        parts = []
        if (false := self.rate(NORMAL, domain)).clips:
            parts.append(f"{false} false alarms")
        if (hits := self.rate(ANOMALY, domain)).clips:
            parts.append(f"{hits} anomalies found")
        if not parts:
            parts.append(f"{self.rate('', domain)} called anomalous")
        return f"{where.capitalize()}: {', '.join(parts)}."

    @property
    def is_labelled(self) -> bool:
        """Whether no label is missing."""
        return bool(np.isin(self.labels, (NORMAL, ANOMALY)).all())


Scores = Mapping[str, Mapping[Key, ScoredSection]]  # by system


def scored_sections(
    machine: str,
    table: ScoreTable,
    thresholds: Mapping[str, Mapping[int, Threshold]],
    facts: Mapping[Key, Mapping[str, Row]],
) -> dict[Key, ScoredSection]:
    """Join a machine's scores to what is known of its test recordings, section by section.

    Args:
        machine: the machine type.
        table: its scores by one system.
        thresholds: what decided, by section and by windows.
        facts: the label and domain of the usable test recordings, by section and name.

    Raises:
        JobError: a score is of no recording of the index.
    """
    rows: dict[str, dict[str, int]] = {}
    for row in table.rows():
        rows.setdefault(table.section[row], {})[table.name[row]] = row
    found = {}
    for section, of_section in rows.items():
        known = facts.get((machine, section), {})
        foreign = of_section.keys() - known.keys()
        if foreign:
            raise JobError(
                f"scores of {machine} section {section}: clip '{min(foreign)}' is not in the index;"
                " run 'asd score' again"
            )
        names = sorted(of_section)
        order = [of_section[name] for name in names]
        decided = thresholds.get(section, {})
        found[machine, section] = ScoredSection(
            machine,
            section,
            names=tuple(names),
            labels=np.array([known[name].label for name in names], dtype=np.str_),
            domains=np.array([known[name].domain for name in names], dtype=np.str_),
            scores=table.score[order],
            decisions=table.anomalous[order],
            threshold=decided.get(1),
            longer=dict(decided) if (table.windows[order] > 1).any() else {},
        )
    return found


def read_curves(path: Path) -> dict[Key, RocCurve]:
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
    return {key: RocCurve(*np.array(of_key).T) for key, of_key in points.items()}
