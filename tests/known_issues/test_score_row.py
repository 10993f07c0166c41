"""A row of a score file that held a line break was quoted as it was, on two lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import JobError
from asd.scoring.files import read_values


def test_a_broken_row_is_quoted_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text('a.wav,1\n"b\nc",x\n')
    with pytest.raises(JobError, match="row 2: 'b c,x' is not") as caught:
        read_values(path)
    assert "\n" not in str(caught.value)
