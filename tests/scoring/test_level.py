"""The range of levels that clips are compared in."""

from __future__ import annotations

import numpy as np

from asd.scoring.bands import LevelRange


def level_range(levels: list[float], domains: list[str]) -> LevelRange:
    arrays = {"level": np.array(levels, np.float32)[:, None]}
    return LevelRange.of(arrays, np.array(domains), "level")


def test_the_middle_half_of_each_domain() -> None:
    levels = [-30.0, -28, -26, -24, -22, -40, -38, -36, -10]
    found = level_range(levels, ["source"] * 5 + ["target"] * 3 + [""])
    assert (found.low, found.high, found.quietest, found.loudest) == (-39.0, -24.0, -40.0, -10.0)
    test = {"level": np.array([[-50.0], [-30.0], [0.0]])}
    np.testing.assert_array_equal(found.gains(test), [11.0, 0.0, -24.0])


def test_words_where_no_training_clip_needed_as_much() -> None:
    found = level_range([-30.0, -28, -26, -24, -22], [""] * 5)
    assert [found.words(gain) for gain in (-2.0, 0.0, 2.0)] == ["", "", ""]
    assert found.words(12.0) == "12 dB quieter than usual, which was taken off"
    assert found.words(-6.0) == "6 dB louder than usual, which was taken off"
    assert LevelRange().words(0.0) == ""


def test_single_clips() -> None:
    found = level_range([-30.0, -20.0], ["source", "target"])
    assert (found.low, found.high) == (-27.5, -22.5)
    alone = level_range([-30.0], [""])
    assert (alone.low, alone.high) == (-30.0, -30.0)


def test_without_a_level_clips_stay_as_they_are() -> None:
    arrays = {"embedding": np.array([[1.0, 2.0]], np.float32)}
    within = LevelRange.of(arrays, np.array([""]), None)
    assert within == LevelRange()
    np.testing.assert_array_equal(within.brought(arrays), arrays["embedding"])
    np.testing.assert_array_equal(within.gains(arrays), [0.0])
