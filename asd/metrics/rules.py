"""The test clips of a section as a system scored them, and by which rules each year judges them.

The rules say which areas enter the official score, and by which mean.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asd.metrics.roc import MAX_FPR
from asd.registry import Registry

DOMAINS = ("source", "target")
QUALITIES = {"precision": "precision", "recall": "recall", "f1": "F1 score"}
"""Figures of decisions, and their headings in the official result files."""


@dataclass(frozen=True, eq=False)
class Section:
    """One section of one machine as one system scored it, joined by clip name.

    Attributes:
        machine: machine type.
        section: section of the challenge, two digits.
        names: (N,) clip names, ascending: two systems' sections are aligned by construction.
        labels: (N,), true for an anomaly.
        domains: (N,) of ``"source"``, ``"target"``, or ``""`` where unknown.
        scores: (N,), higher for more anomalous.
        decisions: (N,), true where the system calls the clip anomalous; None without decisions.
    """

    machine: str
    section: str
    names: tuple[str, ...]
    labels: NDArray[np.bool_]
    domains: NDArray[np.str_]
    scores: NDArray[np.float64]
    decisions: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        columns = [self.labels, self.domains, self.scores]
        columns += [] if self.decisions is None else [self.decisions]
        if any(column.shape != (len(self.names),) for column in columns):
            raise ValueError(f"{self}: the columns differ in length")
        if any(first >= second for first, second in pairwise(self.names)):
            raise ValueError(f"{self}: the clip names do not ascend")

    def __str__(self) -> str:
        return f"{self.machine} section {self.section}"

    def of_domain(self, domain: str) -> NDArray[np.bool_]:
        """Return which clips (N,) are of ``domain``; ``""`` means every clip."""
        if not domain:
            return np.ones(len(self.names), dtype=np.bool_)
        return np.asarray(self.domains == domain)


@dataclass(frozen=True, eq=False)
class System:
    """One system's scores over the sections of a ground truth.

    Attributes:
        name: the system's name, from its folder.
        sections: the sections with known labels, by machine and section.
        unlabelled: a line for each section that has no labels, and therefore no figures.
        unusable: how many test clips of the ground truth could not be read, and have no score.
    """

    name: str
    sections: Sequence[Section]
    unlabelled: tuple[str, ...] = field(default=())
    unusable: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of all that the figures are computed from, whatever the order of the files."""
        data = [
            (str(section), section.names, section.labels, section.domains, section.scores)
            + ((section.decisions,) if section.decisions is not None else ())
            for section in sorted(self.sections, key=str)
        ]
        text = json.dumps(data, default=lambda array: array.tolist())
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Measure:
    """One area under the ROC curve over a choice of a section's clips.

    Attributes:
        name: its key in results, such as ``"auc_source"``.
        kind: ``"AUC"`` or ``"pAUC"``.
        normals: the domain whose normal clips count; ``""`` for those of every domain.
        anomalies: the domain whose anomalous clips count; ``""`` for those of every domain.
    """

    name: str
    kind: Literal["AUC", "pAUC"]
    normals: str = ""
    anomalies: str = ""

    @property
    def max_fpr(self) -> float:
        """End of the range of the false positive rate."""
        return 1.0 if self.kind == "AUC" else MAX_FPR

    @property
    def title(self) -> str:
        """The measure's heading in the official result files, such as ``"AUC (source)"``."""
        return f"{self.kind} ({self.normals})" if self.normals else self.kind

    def clips(self, section: Section) -> NDArray[np.bool_]:
        """Return which clips (N,) of a section the area is taken over."""
        normals = section.of_domain(self.normals)
        anomalies = section.of_domain(self.anomalies)
        return np.where(section.labels, anomalies, normals)


@dataclass(frozen=True)
class Rules:
    """How one year's challenge is scored.

    Attributes:
        name: what the rules are called, such as ``"2022"``.
        measures: the areas that enter the score, one value each for every section.
        mean: the mean over all of those values.
        domains: the domains that decisions are judged in; ``("",)`` judges all clips together.
    """

    name: str
    measures: tuple[Measure, ...]
    mean: Literal["arithmetic", "harmonic"]
    domains: tuple[str, ...]

    @property
    def titles(self) -> dict[str, str]:
        """The heading of each figure of a section in the official result files, by its key."""
        areas = {measure.name: measure.title for measure in self.measures}
        qualities = {
            quality_name(quality, domain): f"{title} ({domain})" if domain else title
            for quality, title in QUALITIES.items()
            for domain in self.domains
        }
        return {"auc": "AUC (all)", **areas, **qualities}


def quality_name(quality: str, domain: str) -> str:
    """Return the key of a figure of decisions, such as ``"f1_source"``, or ``"f1"`` of all."""
    return f"{quality}_{domain}" if domain else quality


def _each_domain(name: str) -> Rules:
    """Return the rules of 2022 on: all anomalies count for both domains, pAUC takes every clip."""
    areas = tuple(Measure(f"auc_{domain}", "AUC", normals=domain) for domain in DOMAINS)
    return Rules(name, (*areas, Measure("pauc", "pAUC")), "harmonic", DOMAINS)


DCASE2020 = Rules("2020", (Measure("auc", "AUC"), Measure("pauc", "pAUC")), "arithmetic", ("",))
DCASE2021 = Rules(
    "2021",
    (
        *(Measure(f"auc_{domain}", "AUC", domain, domain) for domain in DOMAINS),
        *(Measure(f"pauc_{domain}", "pAUC", domain, domain) for domain in DOMAINS),
    ),
    "harmonic",
    DOMAINS,
)
DCASE2022 = _each_domain("2022")
DCASE2023 = _each_domain("2023")
DCASE2024 = _each_domain("2024")
DCASE2025 = _each_domain("2025")
DCASE2026 = _each_domain("2026")

RULES: Registry[Rules] = Registry(
    "rules",
    {str(year): f"asd.metrics.rules:DCASE{year}" for year in range(2020, 2027)},
)
