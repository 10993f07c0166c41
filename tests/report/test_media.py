"""Sounds and pictures inside the page can be read back."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from asd.report.media import spectrogram_uris, wav_uri, wav_uri_size


def data_of(uri: str, kind: str) -> io.BytesIO:
    head, _, text = uri.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(text))


def test_a_wav_holds_the_samples_bit_for_bit() -> None:
    soundfile = pytest.importorskip("soundfile")
    clip = np.random.default_rng(0).integers(-32768, 32768, 1001).astype(np.int16)
    uri = wav_uri(clip, 16000)
    samples, rate = soundfile.read(data_of(uri, "audio/wav"), dtype="int16")
    assert rate == 16000
    np.testing.assert_array_equal(samples, clip)
    assert abs(len(uri) - wav_uri_size(1001)) < 30


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
