"""Score and decision files in the challenge's format, exported from the table of scores."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd.errors import UsageError
from asd.scoring.files import file_name, official_files
from asd.scoring.scored import ScoreTable


def table(names, scores, anomalous=None, sections=None):
    count = len(names)
    return ScoreTable(
        section=tuple(sections or ["00"] * count),
        name=tuple(names),
        content=("",) * count,
        windows=np.ones(count, np.int64),
        score=np.array(scores, np.float64),
        threshold=np.zeros(count),
        anomalous=np.array([False] * count if anomalous is None else anomalous),
    )


def test_official_format():
    names = ["section_00_0001.wav", "section_00_0000.wav"]
    assert official_files("fan", table(names, [-2.0, 0.1], [True, False])) == {
        "anomaly_score_fan_section_00_test.csv": (
            "section_00_0000.wav,0.1\nsection_00_0001.wav,-2.0\n"
        ),
        "decision_result_fan_section_00_test.csv": (
            "section_00_0000.wav,0\nsection_00_0001.wav,1\n"
        ),
    }


def test_a_pair_of_files_a_section():
    one, other = (table(["a.wav"], [1.0], sections=[section]) for section in ("00", "02"))
    both = table(["a.wav", "a.wav"], [1.0, 1.0], sections=["00", "02"])
    assert official_files("fan", both) == official_files("fan", one) | official_files("fan", other)
    assert len(official_files("fan", both)) == 4
    assert official_files("fan", table([], [])) == {}


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_scores_read_back_equal(values):
    names = [f"{i:02d}.wav" for i in range(len(values))]
    text = official_files("fan", table(names, values))[file_name("anomaly_score", "fan", "00")]
    read = {name: float(value) for name, value in csv.reader(io.StringIO(text))}
    assert read == dict(zip(names, values, strict=True))


def test_odd_names_are_quoted():
    names = ["a,b.wav", "line\nbreak.wav", 'say "c".wav', "sub/ä d.wav"]
    text = official_files("fan", table(names, [0.0, 1.0, 2.0, 3.0]))
    scores = text[file_name("anomaly_score", "fan", "00")]
    assert scores.startswith('"a,b.wav",0.0\n')
    assert [row[0] for row in csv.reader(io.StringIO(scores, newline=""))] == names


@pytest.mark.parametrize("name", ["../fan", "a/b", "a\\b", "", ".hidden", "a b", "fan\n", "fan\0"])
def test_names_that_could_leave_the_folder(name):
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        file_name("anomaly_score", name, "00")
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        file_name("anomaly_score", "fan", name)
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        official_files("fan", table(["a.wav"], [1.0], sections=[name]))
