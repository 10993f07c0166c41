"""One system on one machine: from its banks to scores, decisions and the thresholds behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd.atomic import remove
from asd.errors import JobError
from asd.scoring.bank import Bank
from asd.scoring.calibration import Calibration
from asd.scoring.files import write_decisions, write_scores
from asd.scoring.fusion import FittedSystem, SystemScores
from asd.scoring.thresholds import Threshold, write_thresholds
from asd.store.digest import sha256_bytes


@dataclass(frozen=True)
class Scored:
    """What scoring a machine's test clips came to.

    Attributes:
        system, machine: what was scored.
        scored: test clips scored.
        unscored: test clips by section whose section has no training clips.
        anomalous: scored clips decided to be anomalous.
    """

    system: str
    machine: str
    scored: int
    unscored: dict[str, int]
    anomalous: int


def score_clips(system: str, fitted: FittedSystem, tests: Mapping[str, Bank]) -> SystemScores:
    """Score the test clips of the sections that have training clips; others stay unscored.

    Args:
        system: the system's name.
        fitted: the system, fitted to the banks of training clips.
        tests: by model, the outputs for test clips, without truth.

    Raises:
        JobError: these are not of the same clips.
    """
    test = tests[fitted.members[0].model]
    for model, other in tests.items():
        if (other.section, other.name) != (test.section, test.name):
            first = fitted.members[0].model
            raise JobError(
                f"models {first} and {model} were run over different test clips;"
                " run 'asd embed' again"
            )
    rows = np.flatnonzero(np.isin(np.array(test.section, dtype=str), fitted.sections))
    sections = [test.section[row] for row in rows]
    outputs = {
        model: {name: values[rows] for name, values in bank.arrays.items()}
        for model, bank in tests.items()
    }
    return SystemScores(
        system,
        tuple((test.section[row], test.name[row]) for row in rows),
        fitted.score(outputs, sections),
        np.ones(len(rows), np.int64),
    )


def unscored(train: Bank, test: Bank) -> dict[str, int]:
    """Return how many test clips each section has that has no training clips."""
    return dict(Counter(section for section in test.section if section not in train.sections))


def write_system(
    folder: Path,
    machine: str,
    scores: SystemScores,
    calibrations: Mapping[str, Calibration],
    provenance: Mapping[str, Any],
) -> int:
    """Write a machine's score and decision files and its thresholds; remove what is out of date.

    Args:
        folder: the system's folder.
        machine: the machine type.
        scores: what the system says of its test clips, or recordings.
        calibrations: by section, what decides.
        provenance: what made the scores.

    Returns:
        How many of them are decided to be anomalous.
    """
    record = folder / f"threshold_{machine}.json"
    # It vouches for the other files, and comes last: half-replaced ones must not look whole.
    remove(record)
    anomalous = 0
    digests: dict[str, str] = {}
    of_clip = np.array([section for section, _ in scores.clips], dtype=str)
    for section in sorted(set(of_clip)):
        rows = np.flatnonzero(of_clip == section)
        names = [scores.clips[row][1] for row in rows]
        values = scores.scores[rows]
        decisions = calibrations[section].decide(values, scores.windows[rows])
        anomalous += int(decisions.sum())
        for path in (
            write_scores(folder, machine, section, names, values),
            write_decisions(folder, machine, section, names, decisions),
        ):
            digests[path.name] = sha256_bytes(path.read_bytes())
    for kind in ("anomaly_score", "decision_result"):
        for path in folder.glob(f"{kind}_{machine}_section_*_test.csv"):
            if path.name not in digests:
                remove(path)
    thresholds = {section: one.threshold() for section, one in calibrations.items()}
    write_thresholds(
        record,
        thresholds,
        {**provenance, "files": digests},
        _of_recordings(scores, of_clip, calibrations),
    )
    return anomalous


def _of_recordings(
    scores: SystemScores, sections: np.ndarray, calibrations: Mapping[str, Calibration]
) -> dict[str, dict[int, Threshold]]:
    """Return the thresholds of the sections (N,) that have recordings of several windows."""
    return {
        str(section): {
            count: calibrations[section].threshold(count)
            for count in np.unique(scores.windows[sections == section]).tolist()
        }
        for section in np.unique(sections[scores.windows > 1])
    }
