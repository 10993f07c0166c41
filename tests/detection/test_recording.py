"""Cutting recordings into windows."""

from __future__ import annotations

import numpy as np

from asd.detection.recording import Recording, expand, windows


def test_short_ones_are_looped_and_long_ones_cut() -> None:
    wave = np.arange(1, 8, dtype=np.int16)
    assert windows(wave[:3], 5).tolist() == [[1, 2, 3, 1, 2]]
    assert windows(wave, 5).tolist() == [[1, 2, 3, 4, 5], [3, 4, 5, 6, 7]]
    assert windows(wave, 3).tolist() == [[1, 2, 3], [4, 5, 6], [5, 6, 7]]


def test_whose_window_is_whose() -> None:
    wave = np.arange(7, dtype=np.int16)
    clips, owner = expand([Recording("a", wave), Recording("b", wave[:2])], 3)
    assert owner.tolist() == [0, 0, 0, 1]
    assert clips[3].tolist() == [0, 1, 0]
