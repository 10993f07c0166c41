"""The figures of systems, and the files of them: metrics.json, scores.json, curves and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.atomic import replacing
from asd.metrics.rules import RULES, System
from asd.metrics.summary import Assessment, assess, beside_the_best, result_csv, roc_csv
from asd.version import __version__

RESAMPLES = 1000
"""Of the intervals, where nothing says how many."""


@dataclass(frozen=True)
class Judging:
    """By what is judged: a year's rules, and the resamples of the intervals with their seed.

    Raises:
        UsageError: there are no such rules.
    """

    rules: str = "2022"
    resamples: int = RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", RULES[self.rules].name)


@dataclass(frozen=True)
class Figures:
    """The figures of systems, and by what they were judged.

    Attributes:
        judging: by what.
        systems: the systems.
        assessments: what was found of each.
    """

    judging: Judging
    systems: Sequence[System]
    assessments: Sequence[Assessment]

    @classmethod
    def of(cls, systems: Sequence[System], judging: Judging) -> Figures:
        """Compute the official score of each system, with its interval and beside the best."""
        rules = RULES[judging.rules]
        found = [assess(system, rules, judging.resamples, judging.seed) for system in systems]
        return cls(judging, systems, beside_the_best(systems, found))

    @property
    def document(self) -> dict[str, Any]:
        """What metrics.json holds: nested mappings of fractions, and what made them."""
        judging = self.judging
        return {
            "rules": judging.rules,
            "bootstrap": {"resamples": judging.resamples, "seed": judging.seed},
            "version": __version__,
            "systems": {one.name: one.to_json() for one in self.assessments},
        }

    def texts(self) -> dict[str, str]:
        """Return the files by name: metrics.json, scores.json, roc/ and official/."""
        scores = {
            one.name: one.evaluation.score
            for one in self.assessments
            if math.isfinite(one.evaluation.score)
        }
        # The one small file that DVC shows as metrics: a row a system.
        texts = {"metrics.json": json_text(self.document), "scores.json": json_text(scores)}
        for system, assessment in zip(self.systems, self.assessments, strict=True):
            texts[f"roc/{system.name}.csv"] = roc_csv(system.sections)
            texts[f"official/{system.name}_result.csv"] = result_csv(assessment)
        return texts

    def write(self, folder: Path) -> None:
        """Write the files into a folder outside of any workspace."""
        for name in ("roc", "official"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in self.texts().items():
            with replacing(folder / name) as beside:
                beside.write_text(text, encoding="utf-8", newline="")


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as metrics.json has it."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
