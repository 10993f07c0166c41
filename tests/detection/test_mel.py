"""Mel scales against librosa."""

from __future__ import annotations

import numpy as np
import pytest

from asd.detection.mel import band_edges, to_hertz, to_mel

HERTZ = np.array([0.0, 60.0, 999.0, 1000.0, 1001.0, 3500.0, 8000.0])


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_scales(scale: str) -> None:
    librosa = pytest.importorskip("librosa")
    mel = to_mel(HERTZ, scale)
    np.testing.assert_allclose(mel, librosa.hz_to_mel(HERTZ, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(to_hertz(mel, scale), HERTZ, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_each_band_peaks_between_its_edges(scale: str) -> None:
    librosa = pytest.importorskip("librosa")
    edges = band_edges(20, 100.0, 7000.0, scale)
    peaks = librosa.mel_frequencies(22, fmin=100.0, fmax=7000.0, htk=scale == "htk")[1:-1]
    assert (edges[:-1] < peaks).all()
    assert (peaks < edges[1:]).all()
