"""The spectrum against NumPy's Fourier transform, at every level a recording can have."""

import numpy as np
import pytest

from asd.clips.audio import Signal
from asd.config import Settings
from asd.errors import UsageError
from asd.features.spectrum import Spectrum

RATE = 16000


def _spectrum(length):
    return Spectrum(Settings(), Signal(sample_rate=RATE, length=length, channel=0))


@pytest.mark.parametrize("length", [2, 3, 1_000, 1_001, 160_000])
def test_against_numpy(length):
    random = np.random.default_rng(0)
    waves = (3000 * random.normal(size=(3, length))).astype(np.int16)
    extractor = _spectrum(length)
    found = extractor(waves)
    expected = np.abs(np.fft.rfft(waves / 32768.0))[:, 1:] / np.sqrt(length)
    assert found.shape == (3, *extractor.row_shape) == (3, length // 2)
    assert found.dtype == extractor.dtype == np.float16
    # float16 has 11 bits; below 6e-5 its steps are 6e-8.
    np.testing.assert_allclose(found.astype(float), expected, rtol=6e-4, atol=2e-7)


def test_float16_holds_a_tone_at_full_scale_and_the_noise_of_rounding():
    length = 160_000
    time = np.arange(length) / RATE
    loud = np.round(32767 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    faint = np.random.default_rng(0).integers(-1, 2, length).astype(np.int16)
    tone, noise = _spectrum(length)(np.stack([loud, faint])).astype(float)
    # Bin k lies at (k + 1) / 10 Hz.
    assert int(tone.argmax()) == 10_000 - 1
    assert tone.max() == pytest.approx(np.sqrt(length) / 2, rel=1e-3)
    deviation = np.sqrt((noise**2).mean())
    assert deviation == pytest.approx(np.sqrt(2 / 3) / 32768, rel=0.02)
    assert len(np.unique(noise)) > 500


def test_an_offset_is_left_out():
    waves = np.full((1, 1_000), 500, np.int16)
    assert not _spectrum(1_000)(waves).any()


def test_one_sample_has_no_spectrum():
    with pytest.raises(UsageError, match=r"clips of 1 sample have no spectrum.*index.seconds"):
        _spectrum(1)
