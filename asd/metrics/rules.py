"""The rules of each challenge year: which areas enter the official score, and by which mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asd.metrics.roc import MAX_FPR
from asd.metrics.section import DOMAINS, Section
from asd.registry import Registry


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

RULES: Registry[Rules] = Registry(
    "rules",
    {str(year): f"asd.metrics.rules:DCASE{year}" for year in range(2020, 2026)},
)
