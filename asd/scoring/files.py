"""The challenge's score and decision files: no header, ``<wav basename>,<value>``, LF.

They are an export of the table of scores (:class:`asd.scoring.scored.ScoreTable`).
"""

from __future__ import annotations

import csv
import io
import re
from typing import Literal

from asd.errors import UsageError
from asd.scoring.scored import ScoreTable

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


def official_files(machine: str, table: ScoreTable) -> dict[str, str]:
    """Return a machine's score and decision files by name, a pair a section.

    Scores have the shortest digits that read back equal; clips are in the order of the table.
    """
    texts: dict[str, io.StringIO] = {}
    columns: dict[Kind, list[float]] = {
        "anomaly_score": table.score.tolist(),
        "decision_result": table.anomalous.astype(int).tolist(),
    }
    for row in table.rows():
        for kind, column in columns.items():
            name = file_name(kind, machine, table.section[row])
            text = texts.setdefault(name, io.StringIO())
            csv.writer(text, lineterminator="\n").writerow((table.name[row], column[row]))
    return {name: text.getvalue() for name, text in texts.items()}
