"""A damaged row of the store was read silently, and what was made of it stayed current."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from asd.errors import JobError
from asd.stages import embed, train
from asd.stages.verify import repair
from asd.stages.verify import run as verify
from asd.store import Shard
from asd.workspace import Workspace


@pytest.mark.parametrize("stage", ["train", "embed"])
def test_nothing_is_made_of_a_damaged_row(tiny: Path, stage: str) -> None:
    workspace = Workspace.at(tiny)
    split = "train" if stage == "train" else "test"
    shard = Shard.open(workspace.features / f"pump/logmel/section_02_{split}.h5")
    data = bytearray(shard.path.read_bytes())
    data[shard.offset + shard.spec.row_bytes + 7] ^= 1
    shard.path.write_bytes(data)
    record = workspace.model_record("mel", "pump")
    if stage == "embed":
        record = workspace.bank_record("mel", "pump")
    before = (record.parent / record.name).read_bytes()
    shutil.rmtree(record.parent)
    run = train.run if stage == "train" else embed.run
    with pytest.raises(JobError, match=f"section_02_{split}.h5: 1 of . rows are not what was"):
        list(run(workspace, models=("mel",)))
    assert not record.exists()
    with contextlib.chdir(tiny):
        here = Workspace.at(".")
        assert all(done.whole for done in repair(here, verify(here, deep=True).damaged))
    list(run(workspace, models=("mel",)))
    assert record.read_bytes() == before
