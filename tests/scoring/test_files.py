"""Score and decision files in the challenge's format."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.errors import JobError, UsageError
from asd.scoring.files import file_name, read_values, write_decisions, write_scores


def test_official_format(tmp_path: Path) -> None:
    names = ["section_00_0000.wav", "section_00_0001.wav"]
    scores = write_scores(tmp_path / "6", "fan", "00", names, np.array([0.1, -2.0]))
    decisions = write_decisions(tmp_path / "6", "fan", "00", names, np.array([0, 1]))
    assert scores.name == "anomaly_score_fan_section_00_test.csv"
    assert scores.read_bytes() == b"section_00_0000.wav,0.1\nsection_00_0001.wav,-2.0\n"
    assert decisions.name == "decision_result_fan_section_00_test.csv"
    assert decisions.read_bytes() == b"section_00_0000.wav,0\nsection_00_0001.wav,1\n"
    assert sorted(path.name for path in (tmp_path / "6").iterdir()) == [
        scores.name,
        decisions.name,
    ]


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_scores_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    names = [f"{i}.wav" for i in range(len(values))]
    path = write_scores(folder, "fan", "00", names, np.array(values, np.float64))
    assert read_values(path) == dict(zip(names, values, strict=True))


def test_odd_names_are_quoted(tmp_path: Path) -> None:
    names = ["a,b.wav", 'say "c".wav', "sub/ä d.wav", "line\nbreak.wav"]
    path = write_scores(tmp_path, "fan", "00", names, np.arange(4.0))
    assert path.read_text(encoding="utf-8").startswith('"a,b.wav",0.0\n')
    with path.open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == names
    assert list(read_values(path)) == names


@pytest.mark.parametrize("name", ["../fan", "a/b", "a\\b", "", ".hidden", "a b", "fan\n", "fan\0"])
def test_names_that_could_leave_the_folder(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        file_name("anomaly_score", name, "00")
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        file_name("anomaly_score", "fan", name)


def test_what_cannot_be_submitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"the score of 'b.wav' is not finite"):
        write_scores(tmp_path, "fan", "00", ["a.wav", "b.wav"], np.array([1.0, np.nan]))
    with pytest.raises(UsageError, match=r"clip 'a.wav' comes twice"):
        write_decisions(tmp_path, "fan", "00", ["a.wav", "a.wav"], np.array([1, 0]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["a.wav\n", "a.wav,x\n", "a.wav,nan\n", "a,1\na,2\n", "a,1,2\n"])
def test_other_files_are_not_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scores.csv"
    with pytest.raises(UsageError, match="no such file"):
        read_values(path)
    path.write_text(text)
    with pytest.raises(JobError, match="row"):
        read_values(path)
