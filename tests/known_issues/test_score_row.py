"""A row of a score file that held a line break was quoted as it was, on two lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.artifact import write_record
from asd.errors import JobError
from asd.scoring.scored import COLUMNS, ScoresRequest, read_scores_record, read_table
from asd.workspace import Workspace


def test_a_broken_row_is_quoted_on_one_line(tiny: Path) -> None:
    """Even where the record vouches for the table."""
    path = Workspace.at(tiny).score_record("cosine", "pump")
    record = read_scores_record(path)
    header = ",".join(COLUMNS)
    row = '00,a.wav,,1,"b\nc",0.0,0'
    path.with_suffix(".csv").write_text(f"{header}\n{row}\n")
    request = record.asked(ScoresRequest)
    write_record(path, request, list(record.files), record.facts)
    with pytest.raises(JobError, match=r"pump\.csv: not readable .*b.*c") as caught:
        read_table(read_scores_record(path))
    assert "\n" not in str(caught.value)
