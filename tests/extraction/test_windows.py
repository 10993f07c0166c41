"""Extraction of the windows of long recordings, in this process and on a cluster."""

from dataclasses import replace

import numpy as np
import pytest

from asd.clips.audio import Signal, read_windows
from asd.extraction import compute_here, extract
from asd.extraction.cluster import compute_on, connected
from asd.extraction.shards import wanted_shards
from asd.features import EXTRACTORS, build_extractor
from asd.store import FeatureStore
from tests.extraction.conftest import SIGNAL

STARTS = (0, 700, 1400, 2999)


@pytest.fixture
def windows(clips):
    """Four windows of each recording of the fixture, of 1,000 samples."""
    return [
        replace(clip, name=f"{clip.name}#t={start}", start=start, length=1000)
        for clip in clips
        if clip.usable
        for start in STARTS
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_each_window_is_a_row_of_its_own(tmp_path, windows, workers):
    raw, store = tmp_path / "raw", FeatureStore(tmp_path / "features")
    signal = Signal(16000, 1000, 0)
    extractor = build_extractor(EXTRACTORS, "wave", {}, signal)
    if workers:
        with connected(workers) as client:
            compute = compute_on(client, raw, extractor, {})
            extract(windows, extractor, "wave", store, compute)
    else:
        extract(windows, extractor, "wave", store, compute_here(raw, extractor))
    by_name = {clip.name: clip for clip in windows}
    for shard in store.shards("fan", "wave"):
        names = shard.clips.name
        assert [by_name[name].content for name in names] == list(shard.clips.content)
        assert [by_name[name].recording for name in names] == list(shard.clips.recording)
        starts = shard.clips.start.tolist()
        assert starts == [by_name[name].start for name in names]
        assert starts == list(STARTS) * (len(starts) // len(STARTS)), "not in order of time"
        for name, row in zip(names, shard.features, strict=True):
            clip = by_name[name]
            (expected,) = read_windows(raw / clip.path, signal, [clip.start])
            np.testing.assert_array_equal(row, expected)


def test_a_shard_says_what_it_lacks(tmp_path, clips):
    raw, store = tmp_path / "raw", FeatureStore(tmp_path / "features")
    usable = [clip for clip in clips if clip.usable and clip.section == "00"]

    def lacks(of, **settings):
        values = {"n_fft": 256, "hop": 128, "mels": 8} | settings
        extractor = build_extractor(EXTRACTORS, "logmel", values, SIGNAL)
        if settings.get("hop") is None and not (store.root / "fan").exists():
            extract(of, extractor, "logmel", store, compute_here(raw, extractor))
        return {shard.lack() for shard in wanted_shards(of, extractor, "logmel", store)}

    assert lacks(usable) == {""}
    assert lacks(usable[:-1]) == {"", "other clips"}
    assert lacks(usable, hop=64) == {"other settings (config.hop 128 -> 64)"}
    path = store.path("fan", "logmel", "00", "test")
    path.write_bytes(path.read_bytes()[:100])
    assert lacks(usable) == {"", "damaged"}
    path.unlink()
    assert lacks(usable) == {"", "missing"}
