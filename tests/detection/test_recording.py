"""Cutting recordings into windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asd.detection.recording import Recording, expand, window_starts, windows


@given(st.integers(1, 300), st.integers(1, 40))
def test_windows_cover_a_long_recording(samples: int, length: int) -> None:
    starts = window_starts(samples, length)
    if samples < 2 * length:
        assert starts == [0]
        return
    heard = np.zeros(samples, int)
    for start in starts:
        assert start + length <= samples
        heard[start : start + length] += 1
    assert heard.min() == 1
    assert len(starts) == -(-samples // length), "more windows than needed"


def test_short_ones_are_looped_and_long_ones_cut() -> None:
    wave = np.arange(1, 8, dtype=np.int16)
    assert windows(wave[:3], 5).tolist() == [[1, 2, 3, 1, 2]]
    assert windows(wave, 5).tolist() == [[1, 2, 3, 4, 5]]
    assert windows(wave, 3).tolist() == [[1, 2, 3], [4, 5, 6], [5, 6, 7]]


def test_whose_window_is_whose() -> None:
    wave = np.arange(7, dtype=np.int16)
    clips, owner = expand([Recording("a", wave), Recording("b", wave[:2])], 3)
    assert owner.tolist() == [0, 0, 0, 1]
    assert clips[3].tolist() == [0, 1, 0]
