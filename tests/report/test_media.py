"""Sounds and pictures inside the page can be read back."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from asd.report.media import encoded, sound_uri, spectrogram_uris


def data_of(uri: str, kind: str) -> io.BytesIO:
    head, _, text = uri.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(text))


def test_a_sound_is_heard_as_it_is_in_a_quarter_of_the_bytes() -> None:
    """A tone in noise, sample for sample; MP3 has no delay here, and loses what is not heard."""
    rng = np.random.default_rng(0)
    clip = 6000 * np.sin(np.arange(32000) * 0.2) + rng.normal(scale=600, size=32000)
    clip = clip.astype(np.int16)
    file = encoded(clip, 16000)
    samples, rate = soundfile.read(data_of(sound_uri(file), "audio/mpeg"), dtype="int16")
    assert (rate, len(samples)) == (16000, len(clip))
    assert np.corrcoef(samples, clip)[0, 1] > 0.98
    assert len(file) < 0.25 * clip.nbytes
    assert file == encoded(clip, 16000)


def test_a_picture_has_low_frequencies_below_and_one_scale() -> None:
    image = pytest.importorskip("matplotlib.image")
    rising = np.linspace(0, 1, 40)[:, np.newaxis] * np.ones((1, 30))
    uris = spectrogram_uris([rising, rising / 2])
    bright, dim = (image.imread(data_of(uri, "image/png"))[..., :3].sum(axis=2) for uri in uris)
    assert bright.shape == (40, 30)
    assert bright[0, 0] > bright[-1, 0]
    assert (np.diff(bright[:, 0]) <= 0.02).all()
    assert dim.max() < bright.max()


def test_a_long_picture_is_narrowed_and_odd_values_do_no_harm() -> None:
    image = pytest.importorskip("matplotlib.image")
    long = np.zeros((4, 2000), np.float16)
    long[0, 0], long[1, 0] = np.nan, np.inf
    shape = image.imread(data_of(spectrogram_uris([long])[0], "image/png")).shape
    assert shape[0] == 4
    assert shape[1] <= 640
    assert spectrogram_uris([]) == []


@pytest.mark.parametrize(("rate", "heard"), [(15_000, 16_000), (96_000, 48_000)])
def test_a_rate_that_mp3_does_not_know_is_heard_at_one_it_does(rate: int, heard: int) -> None:
    clip = (6000 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)).astype(np.int16)
    samples, found = soundfile.read(io.BytesIO(encoded(clip, rate)))
    assert (found, len(samples)) == (heard, heard)
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 500  # one second: bins are Hz
