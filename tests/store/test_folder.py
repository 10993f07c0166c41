"""The store's folder: which shard lies where, and a feature as one lazy array."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.store import FeatureStore, ShardSpec

NAMES = ["a.wav", "b.wav"]


def _fill(store: FeatureStore, spec: ShardSpec, write: Callable, recipe: dict) -> None:
    for section in ("01", "00"):
        for split in ("train", "test"):
            path = store.path("fan", spec.feature, section, split)
            write(path, replace(spec, section=section, split=split, recipe=recipe), NAMES)


def test_shards_come_sorted_and_by_split(tmp_path: Path, spec: ShardSpec, write: Callable) -> None:
    store = FeatureStore(tmp_path)
    _fill(store, spec, write, {})
    found = [(s.section, s.split) for s in store.shards("fan", "logmel")]
    assert found == [("00", "test"), ("00", "train"), ("01", "test"), ("01", "train")]
    assert [s.section for s in store.shards("fan", "logmel", "train")] == ["00", "01"]
    assert store.open("fan", "logmel", "01", "test").split == "test"


def test_missing_shards_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="asd extract --machine fan --feature logmel"):
        FeatureStore(tmp_path).shards("fan", "logmel")


@pytest.mark.parametrize("split", ["train", None])
@pytest.mark.parametrize("rows", [1, 2, 64])
def test_a_dask_array_is_the_rows_of_the_shards(
    tmp_path: Path, spec: ShardSpec, write: Callable, split: str | None, rows: int
) -> None:
    store = FeatureStore(tmp_path)
    _fill(store, spec, write, {})
    lazy = store.dask("fan", "logmel", split, rows)
    expected = np.concatenate([shard.features for shard in store.shards("fan", "logmel", split)])
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
    assert max(lazy.chunks[0]) <= rows
    for scheduler in ("synchronous", "threads"):
        np.testing.assert_array_equal(lazy.compute(scheduler=scheduler), expected)
    np.testing.assert_array_equal(lazy[1:3, 0].compute(scheduler="synchronous"), expected[1:3, 0])


def test_a_dask_array_reads_what_is_computed_and_nothing_else(
    tmp_path: Path, spec: ShardSpec, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    _fill(store, spec, write, {})
    mapped: list[str] = []
    plain = np.memmap

    def watched(path: Path, *arguments: object, **named: object) -> object:
        mapped.append(Path(path).name)
        return plain(path, *arguments, **named)

    monkeypatch.setattr(np, "memmap", watched)
    lazy = pickle.loads(pickle.dumps(store.dask("fan", "logmel", "train")))  # noqa: S301
    assert not mapped
    lazy[-1].compute(scheduler="synchronous")
    assert mapped == ["section_01_train.h5"]


def test_a_dask_array_of_rows_of_several_shapes_is_refused(
    tmp_path: Path, spec: ShardSpec, write: Callable
) -> None:
    store = FeatureStore(tmp_path)
    _fill(store, spec, write, {})
    other = replace(spec, section="02", row_shape=(3, 6))
    write(store.path("fan", "logmel", "02", "train"), other, NAMES)
    with pytest.raises(JobError, match="rows of several shapes; run 'asd extract"):
        store.dask("fan", "logmel")
    with pytest.raises(UsageError, match="no test shard"):
        store.dask("valve", "logmel", "test")
