"""The challenge's score and decision files: no header, ``<wav basename>,<value>``, LF."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from asd.atomic import replacing
from asd.errors import JobError, UsageError

Kind = Literal["anomaly_score", "decision_result"]
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]*")


def file_name(kind: Kind, machine: str, section: str) -> str:
    """Return the official name of a file.

    Example:
        >>> file_name("anomaly_score", "fan", "00")
        'anomaly_score_fan_section_00_test.csv'

    Raises:
        UsageError: the machine or section has a character that may leave the folder.
    """
    for what, name in (("machine", machine), ("section", section)):
        if not _SAFE.fullmatch(name):
            raise UsageError(f"{what} '{name}' cannot be part of a file name; rename its folder")
    return f"{kind}_{machine}_section_{section}_test.csv"


def write_scores(
    folder: Path, machine: str, section: str, names: Sequence[str], scores: np.ndarray
) -> Path:
    """Write the scores (N,) of a section's test clips, in the shortest digits that read back equal.

    Args:
        names: (N,) the clips' names.

    Returns:
        The file.

    Raises:
        UsageError: a name is given twice.
        JobError: a score is not finite, or the file cannot be written.
    """
    path = folder / file_name("anomaly_score", machine, section)
    finite = np.isfinite(scores)
    if not finite.all():
        raise JobError(f"{path}: the score of '{names[int(np.argmin(finite))]}' is not finite")
    return _write(path, names, [repr(float(score)) for score in scores])


def write_decisions(
    folder: Path, machine: str, section: str, names: Sequence[str], decisions: np.ndarray
) -> Path:
    """Write the decisions (N,), 0 or 1, of a section's test clips.

    Returns:
        The file.

    Raises:
        UsageError: a name is given twice.
        JobError: the file cannot be written.
    """
    path = folder / file_name("decision_result", machine, section)
    return _write(path, names, [str(int(decision != 0)) for decision in decisions])


def read_values(path: Path) -> dict[str, float]:
    """Read a score or decision file: clip name -> value, in the order of the file.

    Raises:
        UsageError: there is no such file.
        JobError: a row is not ``<name>,<finite number>``, or a name comes twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run 'asd score' first") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise JobError(f"{path}: not a score file ({error}); run 'asd score' again") from None
    values: dict[str, float] = {}
    for number, row in enumerate(rows, start=1):
        value = _finite(row[1]) if len(row) == 2 else None
        if value is None or row[0] in values:
            given = " ".join(",".join(row).split())
            raise JobError(f"{path}, row {number}: '{given}' is not a new clip and a finite number")
        values[row[0]] = value
    return values


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _write(path: Path, names: Sequence[str], values: Sequence[str]) -> Path:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{path}: clip '{twice}' comes twice; clips of a section need own names")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(names, values, strict=True))
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path
