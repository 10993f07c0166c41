"""The test clips of one section with what is true of them and what a system says of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DOMAINS = ("source", "target")


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
