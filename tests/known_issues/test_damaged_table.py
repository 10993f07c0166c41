"""One flipped byte in the table of a shard cost more than itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.errors import JobError
from asd.store import FeatureStore, Shard, ShardSpec, ShardWriter

SPEC = ShardSpec("fan", "wave", "00", "train", {}, (4,), "int16")
CLIPS = ClipTable.of_columns(
    {"name": [f"{i}.wav" for i in range(9)], "content": [f"{i:064d}" for i in range(9)]}
)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path)
    with ShardWriter(store.path("fan", "wave", "00", "train"), SPEC, CLIPS) as writer:
        writer.write(np.arange(9), np.arange(36, dtype=np.int16).reshape(9, 4))
        writer.finish()
    return store


@pytest.mark.parametrize(("column", "pending"), [("name", []), ("content", [3]), ("row", [3])])
def test_rows_with_whole_entries_are_kept(
    store: FeatureStore, column: str, pending: list[int]
) -> None:
    """All rows were computed again, whatever it cost."""
    path = store.path("fan", "wave", "00", "train")
    with h5py.File(path, "r+") as file:
        table = file["clips"][...]
        table[column][3] = b"x" + table[column][3][1:]
        file["clips"][...] = table
    with pytest.raises(JobError, match="table"):
        Shard.open(path)
    with ShardWriter(path, SPEC, CLIPS) as writer:
        assert writer.pending.tolist() == pending


def test_a_table_without_rank_is_one_line(store: FeatureStore) -> None:
    """Shard.open raised IndexError."""
    path = store.path("fan", "wave", "00", "train")
    with h5py.File(path, "r+") as file:
        first = file["clips"][0]
        del file["clips"]
        file.create_dataset("clips", (), first.dtype, first)
    with pytest.raises(JobError, match="not a readable shard"):
        Shard.open(path)
