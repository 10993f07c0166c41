"""Cutting recordings into windows."""

from __future__ import annotations

import numpy as np

from asd.detection.recording import Recording, expand, windows


def test_short_ones_are_looped_and_long_ones_cut() -> None:
    """Each without its mean, to the nearest step."""
    wave = np.arange(1, 8, dtype=np.int16)
    assert windows(wave[:3], 5).tolist() == [[-1, 0, 1, -1, 0]]
    assert windows(wave, 5).tolist() == [[-2, -1, 0, 1, 2]] * 2
    assert windows(wave**2, 3).tolist() == [[-4, -1, 4], [-10, -1, 10], [-12, -1, 12]]


def test_whose_window_is_whose() -> None:
    wave = np.arange(7, dtype=np.int16)
    clips, owner = expand([Recording("a", wave), Recording("b", wave[:2])], 3)
    assert owner.tolist() == [0, 0, 0, 1]
    assert clips[3].tolist() == [0, 1, 0]
