"""Shards, and what a killed run left of them, were writable by their owner alone, whatever umask.

Of two people in one group the other could not go on with it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.store import ShardSpec, ShardWriter


@pytest.mark.parametrize("umask", [0o002, 0o077])
def test_the_umask_alone_decides(tmp_path: Path, umask: int) -> None:
    spec = ShardSpec("fan", "logmel", "00", "train", {}, (4, 4), "float16")
    columns = {"name": ["a.wav"], "domain": ["source"], "label": ["normal"], "attributes": [""]}
    before = os.umask(umask)
    try:
        clips = ClipTable.of_columns(columns | {"content": ["a"]})
        with ShardWriter(tmp_path / "shard.h5", spec, clips) as writer:
            writer.write(range(1), np.zeros((1, 4, 4), np.float16))
            begun = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
            writer.finish()
    finally:
        os.umask(before)
    assert begun == {0o666 & ~umask}
    assert stat.S_IMODE((tmp_path / "shard.h5").stat().st_mode) == 0o666 & ~umask
