"""Rows of several features of the same clips."""

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.training.data import StoredClips, ahead, statistics


def test_rows_are_those_of_the_shards(fill):
    store = fill({"00": 5, "01": 4})
    clips = StoredClips(store, "fan", ["logmel", "wave"], "train")
    assert len(clips) == 9
    assert clips.table.section == ("00",) * 5 + ("01",) * 4
    assert clips.shapes == {"logmel": (16, 11), "wave": (5120,)}
    rows = np.array([8, 0, 5, 0])
    for feature, values in clips.batch(rows).items():
        whole = np.concatenate([s.features for s in store.shards("fan", feature, "train")])
        np.testing.assert_array_equal(values.numpy(), whole[rows].astype(np.float32))
    assert clips.table.name[5] == "01_train_000.wav"


def test_some_clips_keep_their_rows(fill):
    clips = StoredClips(fill({"00": 5, "01": 4}), "fan", ["logmel", "wave"], "train")
    rows = np.array([7, 2, 3])
    some = clips.only(rows)
    assert (len(some), some.table) == (3, clips.table.only(rows))
    assert some.machines == ["fan"] * 3
    for feature, values in some.batch(np.array([2, 0])).items():
        np.testing.assert_array_equal(values, clips.batch(np.array([3, 7]))[feature])


def test_identities_change_with_the_features_that_are_read_alone(fill):
    def read():
        store = fill({"00": 5})
        chosen = (["logmel"], ["logmel", "wave"])
        return [StoredClips(store, "fan", names, "train").identities for names in chosen]

    before = read()
    assert read() == before
    fill({"00": 5}, shapes={"wave": ((5120,), "int16")}, recipes={"wave": {"rate": 8000}})
    store = fill({"00": 5}, shapes={"logmel": ((16, 11), "float16")})
    after = [
        StoredClips(store, "fan", names, "train").identities
        for names in (["logmel"], ["logmel", "wave"])
    ]
    assert after[0] == before[0]
    assert after[1]["logmel"] == before[1]["logmel"]
    assert after[1]["wave"] != before[1]["wave"]


def test_features_must_hold_the_same_clips(fill, tmp_path):
    store = fill({"00": 5})
    other = fill({"00": 6}, root="other")
    (other.path("fan", "wave", "00", "train")).replace(store.path("fan", "wave", "00", "train"))
    with pytest.raises(JobError, match="wave and logmel hold different train clips.*asd extract"):
        StoredClips(store, "fan", ["logmel", "wave"], "train")


def test_a_missing_split_names_the_way_out(fill):
    with pytest.raises(UsageError, match="no test shard: no test clip of fan is usable.*fan.csv"):
        StoredClips(fill({"00": 5}), "fan", ["logmel"], "test")
    with pytest.raises(UsageError, match="no test shard.*asd extract"):
        StoredClips(fill({"00": 5}), "fan", ["spectrum"], "test")


def test_statistics_are_those_of_all_clips(fill):
    store = fill({"00": 40, "01": 30})
    clips = StoredClips(store, "fan", ["logmel", "wave"], "train")
    found = statistics(clips)
    whole = np.concatenate([s.features for s in store.shards("fan", "logmel", "train")])
    np.testing.assert_allclose(found["logmel"][0], whole.astype(float).mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(found["logmel"][1], whole.astype(float).std((0, 2)), rtol=1e-5)
    waves = np.concatenate([s.features for s in store.shards("fan", "wave", "train")])
    assert float(found["wave"][0]) == 0
    assert float(found["wave"][1]) == pytest.approx(np.sqrt((waves.astype(float) ** 2).mean()))


def test_ahead_keeps_order_and_errors():
    assert list(ahead(range(1, 6))) == [1, 2, 3, 4, 5]
    assert list(ahead([])) == []

    def failing():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(ahead(failing()))
