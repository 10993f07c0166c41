"""The store's folder, and the records of what each model reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asd.errors import UsageError
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


def test_inputs_change_with_the_features_of_the_model_alone(
    tmp_path: Path, spec: ShardSpec, write: Callable
) -> None:
    store = FeatureStore(tmp_path)
    wave = replace(spec, feature="wave")

    def record() -> list[bytes]:
        store.write_inputs("fan", "one", ["logmel"])
        store.write_inputs("fan", "both", ["logmel", "wave"])
        return [store.inputs_path("fan", model).read_bytes() for model in ("one", "both")]

    _fill(store, spec, write, {"hop": 512})
    _fill(store, wave, write, {})
    before = record()
    assert record() == before
    _fill(store, wave, write, {"rate": 8000})
    after = record()
    assert after[0] == before[0]
    assert after[1] != before[1]
