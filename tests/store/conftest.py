"""Small shards for the tests of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.digest import sha256_json
from asd.store import Shard, ShardSpec, ShardWriter


def content(name: str) -> str:
    """The content digest of a made-up clip."""
    return sha256_json(name)


def values_of(name: str, spec: ShardSpec) -> np.ndarray:
    """The one row that a made-up clip has under a recipe."""
    seed = int(sha256_json([name, spec.recipe])[:8], 16)
    drawn = np.random.default_rng(seed).normal(size=spec.row_shape) * 100
    return drawn.astype(spec.dtype)


@pytest.fixture
def spec() -> ShardSpec:
    return ShardSpec("fan", "logmel", "00", "train", {"hop": 512}, (3, 5), "float16")


@pytest.fixture
def table_of() -> Callable[..., ClipTable]:
    def make(names: list[str], label: str = "normal") -> ClipTable:
        count = len(names)
        columns = {
            "name": names,
            "recording": names,
            "section": ["00"] * count,
            "split": ["train"] * count,
            "domain": ["source"] * count,
            "label": [label] * count,
            "attributes": ["speed=1"] * count,
            "content": [content(name) for name in names],
        }
        return ClipTable.of_columns(columns)

    return make


@pytest.fixture
def write(table_of: Callable[..., ClipTable]) -> Callable[..., Shard]:
    """Write a whole shard of the named clips and open it."""

    def run(path: Path, spec: ShardSpec, names: list[str], batch: int = 4) -> Shard:
        with ShardWriter(path, spec, table_of(names)) as writer:
            pending = writer.pending
            for start in range(0, len(pending), batch):
                rows = pending[start : start + batch]
                writer.write(rows, np.stack([values_of(names[row], spec) for row in rows]))
            writer.finish()
        return Shard.open(path)

    return run


@pytest.fixture
def row() -> Callable[[str, ShardSpec], np.ndarray]:
    return values_of
