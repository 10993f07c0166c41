"""Recordings: heard alike from files and from waves, and cut into windows."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asd.clips.audio import Limits, Signal
from asd.detection.recording import Recording, expand, recordings_of, windows
from asd.errors import JobError

RATE = 8000
SIGNAL, LIMITS = Signal(RATE, 4000, 0), Limits(60, 8)


def test_short_ones_are_looped_and_long_ones_cut():
    """Each without its mean, to the nearest step."""
    wave = np.arange(1, 8, dtype=np.int16)
    assert windows(wave[:3], 5).tolist() == [[-1, 0, 1, -1, 0]]
    assert windows(wave, 5).tolist() == [[-2, -1, 0, 1, 2]] * 2
    assert windows(wave**2, 3).tolist() == [[-4, -1, 4], [-10, -1, 10], [-12, -1, 12]]


def test_whose_window_is_whose():
    wave = np.arange(7, dtype=np.int16)
    clips, owner = expand([Recording("a", wave), Recording("b", wave[:2])], 3)
    assert owner.tolist() == [0, 0, 0, 1]
    assert clips[3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("wave", [np.zeros(4000), np.full(4000, 900, np.int16), np.full(900, 0.2)])
def test_a_silent_wave_is_refused_as_a_silent_file_is(wave, tmp_path):
    with pytest.raises(JobError, match="wave 0: silent: all samples are equal"):
        recordings_of([wave], SIGNAL, LIMITS)
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    with pytest.raises(JobError, match=r"a\.wav: silent: all samples are equal"):
        recordings_of(tmp_path / "a.wav", SIGNAL, LIMITS)


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
def test_a_wave_is_heard_as_its_file_is(rate, tmp_path):
    """Offset, unit and facts too."""
    wave = np.random.default_rng(0).normal(scale=0.1, size=9000).astype(np.float32) + 0.2
    soundfile.write(tmp_path / "a.wav", wave, rate, "FLOAT")
    (of_file,) = recordings_of(tmp_path / "a.wav", SIGNAL, LIMITS)
    (of_wave,) = recordings_of((wave, rate), SIGNAL, LIMITS)
    assert np.abs(of_file.samples.astype(int) - of_wave.samples).max() <= 1
    assert of_wave.facts == of_file.facts
    assert of_wave.facts is not None
    assert of_wave.facts.offset == pytest.approx(0.2, abs=0.01)
    with pytest.raises(JobError, match="wave 0: beyond full scale: floats up to "):
        recordings_of([wave * 50], SIGNAL, LIMITS)
    (scaled,) = recordings_of([(wave * 50, rate)], replace(SIGNAL, full_scale=50.0), LIMITS)
    assert np.abs(scaled.samples.astype(int) - of_wave.samples).max() <= 1
