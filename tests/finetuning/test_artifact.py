"""The folder of a checkpoint: its record vouches for all of it, itself included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from asd.errors import JobError, UsageError
from asd.features.projection import Head, Projection
from asd.finetuning.artifact import (
    HISTORY,
    MEANINGFUL,
    RECORD,
    is_current,
    read_record,
    write_checkpoint,
)
from asd.finetuning.base import find_base


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weight, bias = np.ones((5, 2, 3), np.float32), np.zeros((5, 2), np.float32)
    head = Head(Projection(weight[0], bias[0], 1), pca_weight=weight, pca_bias=bias)
    record = {"identity": "me", "versions": {"torch": "2.1"}, "last": {"loss": 0.1 + 0.2}}
    write_checkpoint(
        tmp_path / "ptm",
        tmp_path / "beside",
        find_base("builtin:tiny"),
        nn.Linear(2, 2),
        head,
        record,
        [{"objective": "classify", "step": 1, "loss": 0.3}],
    )
    return tmp_path / "ptm"


def test_a_checkpoint_is_of_its_run_alone(folder: Path) -> None:
    assert is_current(folder, "me")
    assert not is_current(folder, "other")
    assert read_record(folder)["last"] == {"loss": 0.1 + 0.2}


def test_every_flipped_byte_of_the_record_is_found(folder: Path) -> None:
    path = folder / RECORD
    whole, expected = path.read_bytes(), read_record(folder)
    errors = []
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        try:
            assert read_record(folder) == expected  # white space alone
        except JobError as error:
            errors.append(str(error))
    assert len(errors) > 0.8 * len(whole)
    assert not [error for error in errors if "\n" in error]


@pytest.mark.parametrize("name", [*MEANINGFUL, HISTORY])
def test_other_files_are_found_damaged_or_lost(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(JobError, match="delete it and run 'asd finetune'"):
        read_record(folder)
    assert not is_current(folder, "me")
    (folder / name).unlink()
    assert not is_current(folder, "me")


def test_an_earlier_record_vouches_for_the_weights_alone(folder: Path) -> None:
    record = json.loads((folder / RECORD).read_text()) | {"schema": 1}
    for key in ("record", "history"):
        del record[key]
    (folder / RECORD).write_text(json.dumps(record))
    (folder / HISTORY).write_text("")
    assert is_current(folder, "me")
    (folder / MEANINGFUL[0]).write_text("{}")
    assert not is_current(folder, "me")


def test_a_missing_checkpoint_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finetune.json: no such file; run 'asd finetune' first"):
        read_record(tmp_path)
