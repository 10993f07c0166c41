"""Joining the scores of windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.scoring.fusion import SystemScores
from asd.scoring.recordings import by_recording

_SCORES = st.floats(-1e300, 1e300)


def _system(rows: list[tuple[str, str, float]]) -> SystemScores:
    clips = tuple((section, name) for section, name, _ in rows)
    scores = np.array([score for *_, score in rows], dtype=np.float64)
    return SystemScores("one", clips, scores, np.ones(len(rows), np.int64))


@pytest.mark.parametrize(
    ("how", "expected"), [("max", [7.0, 4.0, -1.0]), ("mean", [4.0, 4.0, -2.0])]
)
def test_one_row_a_recording(how: str, expected: list[float]) -> None:
    """In the order of the first windows; the same name in another section is another recording."""
    found = by_recording(
        _system(
            [
                ("00", "long.wav#t=10", 1.0),
                ("00", "short.wav", 4.0),
                ("00", "long.wav#t=0", 7.0),
                ("01", "long.wav#t=0", -3.0),
                ("01", "long.wav#t=2.5", -1.0),
            ]
        ),
        how,  # type: ignore[arg-type]
    )
    assert found.clips == (("00", "long.wav"), ("00", "short.wav"), ("01", "long.wav"))
    assert found.scores.tolist() == expected
    assert found.windows.tolist() == [2, 1, 2]


@given(st.lists(_SCORES, max_size=6), st.sampled_from(["max", "mean"]))
def test_recordings_without_windows_keep_their_scores(scores: list[float], how: str) -> None:
    before = _system([("00", f"{number}.wav", score) for number, score in enumerate(scores)])
    after = by_recording(before, how)  # type: ignore[arg-type]
    assert after.clips == before.clips
    np.testing.assert_array_equal(after.scores, before.scores)
    np.testing.assert_array_equal(after.windows, before.windows)
