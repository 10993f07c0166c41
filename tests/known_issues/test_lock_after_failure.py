"""A writer that could not begin kept its lock: the next one in the same process waited for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asd.clip_table import ClipTable
from asd.errors import JobError
from asd.store import Shard, ShardSpec, ShardWriter, writer


def test_a_failed_writer_gives_its_lock_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ShardSpec("fan", "wave", "00", "train", {}, (4,), "int16")
    clips = ClipTable.of_columns({"name": ["a.wav"], "content": ["0" * 64]})
    path = tmp_path / "s.h5"

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_take_space", full)
        with pytest.raises(JobError, match="No space left"):
            ShardWriter(path, spec, clips)
    with ShardWriter(path, spec, clips) as new:
        new.write([0], np.zeros((1, 4), np.int16))
        new.finish()
    assert len(Shard.open(path)) == 1
