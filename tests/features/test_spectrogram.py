"""The spectrogram against librosa, an independent implementation."""

import librosa
import numpy as np
import pytest

from asd.clips.audio import Signal
from asd.config import settings
from asd.errors import UsageError
from asd.features.spectrogram import Spectrogram, SpectrogramConfig

RATE, LENGTH = 16000, 24000


def _build(length=LENGTH, **own):
    config = settings(SpectrogramConfig, own, "features.spectrogram")
    return Spectrogram(config, Signal(sample_rate=RATE, length=length, channel=0))


@pytest.mark.parametrize(("n_fft", "hop"), [(256, 128), (1024, 512), (4096, 2048), (1000, 300)])
@pytest.mark.parametrize(("f_min", "f_max"), [(200.0, 8000.0), (0.0, None), (1000.0, 2000.0)])
def test_against_librosa(n_fft, hop, f_min, f_max):
    random = np.random.default_rng(0)
    waves = (3000 * random.normal(size=(2, LENGTH))).astype(np.int16)
    extractor = _build(n_fft=n_fft, hop=hop, f_min=f_min, f_max=f_max)
    found = extractor(waves)
    whole = np.abs(
        librosa.stft(
            waves / 32768.0, n_fft=n_fft, hop_length=hop, window="hann", pad_mode="reflect"
        )
    )
    window = librosa.filters.get_window("hann", n_fft)
    at = np.arange(n_fft // 2 + 1) * RATE / n_fft
    kept = (at >= f_min) & (at <= (RATE / 2 if f_max is None else f_max))
    expected = whole[:, kept] / np.sqrt((window**2).sum())
    assert found.shape == (2, *extractor.row_shape) == expected.shape
    assert found.dtype == extractor.dtype == np.float16
    np.testing.assert_allclose(found.astype(float), expected, rtol=6e-4, atol=1e-6)


def test_the_published_shape():
    """10 s, 1024 points every 512, 200 to 8000 Hz."""
    assert _build(160_000).row_shape == (500, 313)


@pytest.mark.parametrize("n_fft", [256, 1024, 4096])
def test_noise_has_its_own_deviation_at_every_resolution(n_fft):
    waves = (3000 * np.random.default_rng(0).normal(size=(1, LENGTH))).astype(np.int16)
    found = _build(n_fft=n_fft, hop=n_fft // 2)(waves).astype(float)
    assert np.sqrt((found**2).mean()) == pytest.approx(3000 / 32768, rel=0.05)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"length": 500}, "clips of 500 samples are too short for n_fft 1024.*513"),
        ({"f_max": 9000}, "no bins from 200.0 to 9000.0 Hz"),
        ({"f_min": 300, "f_max": 301}, "no bins from 300.0 to 301.0 Hz.*15.625 Hz apart"),
        ({"hopp": 3}, "unknown key 'hopp'.*'hop'"),
    ],
)
def test_mistakes_are_one_line(own, message):
    with pytest.raises(UsageError, match=message):
        _build(**own)
