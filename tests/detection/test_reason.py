"""The reason in one sentence names the band, the level and the moment that were changed."""

import numpy as np
import pytest

from asd.detection.reason import NormalLevels

BANDS, FRAMES, RATE = 64, 100, 25.0
HERTZ = np.linspace(0, 8000, BANDS + 1)


def clips(count, seed=0):
    """Log-mels (count, F, T) in dB that fall with frequency, with a deviation of 3 dB."""
    noise = 3 * np.random.default_rng(seed).normal(size=(count, BANDS, FRAMES))
    return (noise - np.linspace(20, 60, BANDS)[:, None]).astype(np.float16)


@pytest.fixture(scope="module")
def normal():
    return NormalLevels.of(list(clips(20)), HERTZ, RATE)


@pytest.mark.parametrize("change", [8.0, -8.0])
def test_a_changed_patch_is_found(normal, change):
    clip = clips(1, seed=1)[0].copy()
    clip[20:32, 50:70] += change  # 2500 to 4000 Hz, 2.0 to 2.8 s
    found = normal.reason(clip)
    assert not found.throughout
    assert found.low == pytest.approx(2500, abs=400)
    assert found.high == pytest.approx(4000, abs=400)
    assert found.decibels == pytest.approx(change, abs=2)
    assert (found.start + found.end) / 2 == pytest.approx(2.4, abs=0.2)
    words = found.words(20.0)
    assert words.endswith("at 22 s")
    assert ("above normal" in words) == (change > 0)


def test_what_lasts_is_said_to(normal):
    clip = clips(1, seed=2)[0].copy()
    clip[40:] += 6
    found = normal.reason(clip)
    assert found.throughout
    assert found.words().endswith("kHz, 6 dB above normal, throughout")


def test_a_normal_clip_is_less_unlike(normal):
    apart = [normal.reason(clip).deviations for clip in clips(20, seed=3)]
    assert np.median(apart) < 4
    changed = clips(1, seed=1)[0].copy()
    changed[20:32, 50:70] += 12
    assert normal.reason(changed).deviations > 2 * max(apart)


def test_units_are_brought_to_decibels():
    scale = 10 / np.log(10)
    natural = NormalLevels.of([one / scale for one in clips(5)], HERTZ, RATE, scale)
    clip = clips(1, seed=4)[0].astype(np.float32)
    clip[10:20] += 10
    assert natural.reason(clip / scale).decibels == pytest.approx(10, abs=1.5)
