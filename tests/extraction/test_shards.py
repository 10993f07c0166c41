"""Extraction: what is computed, what is reused, and that the bytes are always the same."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asd.config import Settings
from asd.digest import sha256_bytes
from asd.errors import JobError
from asd.extraction import compute_here, extract, machine_signal
from asd.features import EXTRACTORS, build_extractor
from asd.features.wave import Wave
from asd.store import FeatureStore, Shard
from tests.extraction.conftest import LENGTH, RATE, SIGNAL
from tests.made import tree


@pytest.fixture
def run(tmp_path):
    def extracted(clips, feature="logmel", store="features", **settings):
        extractor = build_extractor(EXTRACTORS, feature, settings, SIGNAL)
        folder = FeatureStore(tmp_path / store)
        compute = compute_here(tmp_path / "raw", extractor)
        account = extract(clips, extractor, feature, folder, compute)
        assert account.computed + account.reused + account.rejected == len(clips)
        return account.computed, account.reused

    return extracted


def test_first_run_computes_second_reuses(tmp_path, clips, run):
    assert run(clips) == (47, 0)
    before = tree(tmp_path / "features")
    assert run(clips) == (0, 47)
    assert tree(tmp_path / "features") == before
    assert set(before) == {
        f"fan/logmel/section_{s}_{split}.h5" for s in ("00", "01") for split in ("train", "test")
    }


def test_bytes_do_not_depend_on_order_or_run(tmp_path, clips, run):
    run(clips)
    run(clips[::-1], store="other")
    assert tree(tmp_path / "features") == tree(tmp_path / "other")


def test_rows_do_not_depend_on_what_was_there(tmp_path, clips, run):
    """Growing a store clip by clip gives the bytes of computing it at once."""
    run(clips, store="whole")
    for count in (3, 20, 31, 48):
        run(clips[:count])
    assert tree(tmp_path / "features") == tree(tmp_path / "whole")


def test_wave_has_no_mean(tmp_path, clips, run):
    run(clips, feature="wave")
    shard = FeatureStore(tmp_path / "features").open("fan", "wave", "01", "test")
    for name, row in zip(shard.clips.name, shard.features, strict=True):
        wave, _ = soundfile.read(tmp_path / "raw" / "fan" / "test" / name, dtype="int16")
        np.testing.assert_array_equal(row, wave - np.rint(wave.mean()).astype(np.int16))


def test_edited_config_recomputes_its_own_feature_alone(clips, run):
    run(clips, feature="wave")
    run(clips)
    assert run(clips, hop=256) == (47, 0)
    assert run(clips, feature="wave") == (0, 47)
    assert run(clips, hop=256) == (0, 47)


def test_changed_and_added_clips_alone_are_computed(tmp_path, clips, run):
    run(clips[:-1])
    assert run(clips) == (1, 46)
    soundfile.write(tmp_path / "raw" / clips[5].path, np.ones(LENGTH, np.int16), RATE)
    data = (tmp_path / "raw" / clips[5].path).read_bytes()
    clips[5] = replace(clips[5], digest=sha256_bytes(data))
    assert run(clips) == (1, 46)


def test_sections_no_longer_indexed_leave_the_store(tmp_path, clips, run):
    run(clips)
    run([clip for clip in clips if clip.section == "00"])
    left = sorted(p.name for p in (tmp_path / "features/fan/logmel").iterdir())
    assert left == ["section_00_test.h5", "section_00_train.h5"]


def test_a_clip_changed_behind_the_index_stops_its_shard_alone(tmp_path, clips, run):
    soundfile.write(tmp_path / "raw" / clips[30].path, np.ones(LENGTH, np.int16), RATE)
    with pytest.raises(JobError, match=clips[30].name + ".*asd index") as caught:
        run(clips)
    assert "\n" not in str(caught.value)
    # The other three shards are there, and what was computed of the fourth is kept.
    finished = list((tmp_path / "features").rglob("section_*.h5"))
    assert len(finished) == 3
    assert all(len(Shard.open(path)) for path in finished)


def test_every_batch_has_the_same_size(tmp_path, clips):
    """What is computed of a clip must not depend on how many clips were left."""
    sizes = []

    class Watched(Wave):
        batch_size = 16

        def __call__(self, waves):
            sizes.append(len(waves))
            return waves

    extractor = Watched(Settings(), SIGNAL)
    store = FeatureStore(tmp_path / "features")
    extract(clips, extractor, "wave", store, compute_here(tmp_path / "raw", extractor))
    assert set(sizes) == {16}


def test_machine_signal_needs_one_length(clips):
    assert machine_signal(clips, RATE, 0) == SIGNAL
    with pytest.raises(JobError, match="fan: no usable clip"):
        machine_signal(clips[:1], RATE, 0)
    with pytest.raises(JobError, match="several lengths"):
        machine_signal([*clips, replace(clips[3], length=7)], RATE, 0)
