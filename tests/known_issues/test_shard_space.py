"""A new shard was a hole in a file: a full disk was met in the middle of its rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asd.clip_table import ClipTable
from asd.store import ShardSpec, ShardWriter


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot take space")
def test_a_new_shard_takes_all_of_its_space(tmp_path: Path) -> None:
    spec = ShardSpec("fan", "logmel", "00", "train", {}, (128, 100), "float16")
    clips = ClipTable.of_columns({"name": [f"{i}.wav" for i in range(50)]})
    with ShardWriter(tmp_path / "s.h5", spec, clips):
        status = (tmp_path / ".s.h5.part").stat()
    assert status.st_size > 50 * spec.row_bytes
    assert status.st_blocks * 512 >= status.st_size
