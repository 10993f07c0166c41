"""A row of a score file that held a line break was quoted as it was, on two lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.artifact import making
from asd.config import ScoreConfig
from asd.errors import JobError
from asd.scoring.scored import COLUMNS, ScoresRequest, read_scores_record, read_table


def test_a_broken_row_is_quoted_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "fan.json"
    request = ScoresRequest(
        system="1", machine="fan", members=(), join="mean", rule=ScoreConfig(), banks={}
    )
    with making(path, request) as made:
        made.text("fan.csv", ",".join(COLUMNS) + '\n00,a.wav,0,1,"b\nc",1,0\n')
    with pytest.raises(JobError, match=r"fan.csv: not readable .*b.*c.*; delete it") as caught:
        read_table(read_scores_record(path))
    assert "\n" not in str(caught.value)
