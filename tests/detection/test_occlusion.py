"""The blocks of an occlusion make up the whole sound; its mel scales are those of librosa."""

import numpy as np
import pytest

from asd.clips.audio import Signal
from asd.detection.occlusion import (
    Grid,
    band_change,
    band_edges,
    occluded,
    span_weights,
    to_hertz,
    to_mel,
)
from asd.features import EXTRACTORS, build_extractor
from asd.features.logmel import LogMelConfig

SIGNAL = Signal(8000, 4096, 0)
HERTZ = np.array([0.0, 60.0, 999.0, 1000.0, 1001.0, 3500.0, 8000.0])
LOGMEL = {"n_fft": 256, "hop": 128, "mels": 16}


@pytest.fixture
def extractors():
    return {
        "logmel": build_extractor(EXTRACTORS, "logmel", LOGMEL, SIGNAL),
        "wave": build_extractor(EXTRACTORS, "wave", {}, SIGNAL),
    }


@pytest.fixture
def pair(extractors):
    random = np.random.default_rng(0)
    waves = random.normal(scale=3000, size=(2, SIGNAL.length)).astype(np.int16)
    return [{name: e(wave[None]) for name, e in extractors.items()} for wave in waves]


def test_all_blocks_make_the_other_clip(extractors, pair):
    """Replacing all at once is the sum of the changes of each; float32 sums of 1e4: 0.1."""
    grid = Grid.over(extractors["logmel"], bands=5, spans=7)
    changed = {name: np.zeros(values.shape[1:]) for name, values in pair[0].items()}
    for band in range(grid.shape[0]):
        found = occluded(extractors, *pair, grid, band)
        for name, values in found.items():
            assert values.shape == (7, *pair[0][name].shape[1:])
            changed[name] += (values.astype(np.float64) - pair[0][name]).sum(axis=0)
    for name, change in changed.items():
        other = pair[1][name][0].astype(np.float64)
        np.testing.assert_allclose(pair[0][name][0] + change, other, atol=0.1)


def test_a_block_of_a_log_mel_changes_and_nothing_else(extractors, pair):
    grid = Grid.over(extractors["logmel"], bands=4, spans=3)
    found = occluded(extractors, *pair, grid, 1)["logmel"]
    expected = pair[0]["logmel"][0].copy()
    columns = slice(grid.spans[2], grid.spans[3])
    expected[4:8, columns] = pair[1]["logmel"][0, 4:8, columns]
    np.testing.assert_array_equal(found[2], expected)


def test_a_band_of_a_wave(extractors):
    """A tone within a block's band is changed by that block alone."""
    grid = Grid.over(extractors["logmel"], bands=4)
    edges = grid.hertz[grid.bands]
    tone = 8000 * np.sin(2 * np.pi * 1500 / 8000 * np.arange(4096))
    share = [
        np.abs(band_change(np.zeros(4096), tone, grid, band, SIGNAL)).max() / 8000
        for band in range(4)
    ]
    inside = [edges[i] <= 1500 < edges[i + 1] for i in range(4)]
    np.testing.assert_allclose(share, np.array(inside, float), atol=0.01)


def test_spans_share_every_sample(extractors):
    weights = span_weights(Grid.over(extractors["logmel"], spans=6), 4096)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    assert weights.min() >= 0
    assert ((weights > 0.5).sum(axis=1) > 4096 // 8).all()


def test_other_features_stay():
    class Other:
        name = "ptm"

    grid = Grid.over(build_extractor(EXTRACTORS, "logmel", LOGMEL, SIGNAL), spans=3)
    clip = {"ptm": np.ones((1, 4, 5), np.float16)}
    other = {"ptm": np.zeros((1, 4, 5), np.float16)}
    found = occluded({"ptm": Other()}, clip, other, grid, 0)
    np.testing.assert_array_equal(found["ptm"], np.ones((3, 4, 5)))


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_scales(scale):
    librosa = pytest.importorskip("librosa")
    mel = to_mel(HERTZ, scale)
    np.testing.assert_allclose(mel, librosa.hz_to_mel(HERTZ, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(to_hertz(mel, scale), HERTZ, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_each_band_peaks_between_its_edges(scale):
    librosa = pytest.importorskip("librosa")
    config = LogMelConfig(mels=20, f_min=100.0, f_max=7000.0, mel_scale=scale)
    edges = band_edges(config, 16_000)
    peaks = librosa.mel_frequencies(22, fmin=100.0, fmax=7000.0, htk=scale == "htk")[1:-1]
    assert (edges[:-1] < peaks).all()
    assert (peaks < edges[1:]).all()
