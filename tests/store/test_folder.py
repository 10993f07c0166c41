"""The store's folder: which shard lies where, and a feature as one lazy array."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.store import FeatureStore
from tests.store.conftest import SPEC, write

NAMES = ["a.wav", "b.wav"]


@pytest.fixture
def store(tmp_path):
    """Two sections of one feature, each with two splits."""
    store = FeatureStore(tmp_path)
    for section in ("01", "00"):
        for split in ("train", "test"):
            path = store.path("fan", "logmel", section, split)
            write(path, NAMES, replace(SPEC, section=section, split=split))
    return store


def test_shards_come_sorted_and_by_split(store):
    found = [(s.spec.section, s.spec.split) for s in store.shards("fan", "logmel")]
    assert found == [("00", "test"), ("00", "train"), ("01", "test"), ("01", "train")]
    assert [s.spec.section for s in store.shards("fan", "logmel", "train")] == ["00", "01"]
    assert store.open("fan", "logmel", "01", "test").spec.split == "test"


def test_missing_shards_name_the_way_out(tmp_path):
    with pytest.raises(UsageError, match="asd extract --machine fan --feature logmel"):
        FeatureStore(tmp_path).shards("fan", "logmel")


@pytest.mark.parametrize("split", ["train", None])
@pytest.mark.parametrize("rows", [1, 2, 64])
def test_a_dask_array_is_the_rows_of_the_shards(store, split, rows):
    lazy = store.dask("fan", "logmel", split, rows)
    expected = np.concatenate([shard.features for shard in store.shards("fan", "logmel", split)])
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
    assert max(lazy.chunks[0]) <= rows
    for scheduler in ("synchronous", "threads"):
        np.testing.assert_array_equal(lazy.compute(scheduler=scheduler), expected)
    np.testing.assert_array_equal(lazy[1:3, 0].compute(scheduler="synchronous"), expected[1:3, 0])


def test_a_dask_array_reads_what_is_computed_and_nothing_else(store, monkeypatch):
    mapped = []
    plain = np.memmap

    def watched(path, *arguments, **named):
        mapped.append(Path(path).name)
        return plain(path, *arguments, **named)

    monkeypatch.setattr(np, "memmap", watched)
    lazy = pickle.loads(pickle.dumps(store.dask("fan", "logmel", "train")))  # noqa: S301
    assert not mapped
    lazy[-1].compute(scheduler="synchronous")
    assert mapped == ["section_01_train.h5"]


def test_a_dask_array_of_rows_of_several_shapes_is_refused(store):
    other = replace(SPEC, section="02", row_shape=(3, 6))
    write(store.path("fan", "logmel", "02", "train"), NAMES, other)
    with pytest.raises(JobError, match="rows of several shapes; run 'asd extract"):
        store.dask("fan", "logmel")
    with pytest.raises(UsageError, match="no test shard"):
        store.dask("valve", "logmel", "test")
