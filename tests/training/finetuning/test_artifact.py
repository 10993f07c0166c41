"""The folder of a checkpoint: its record vouches for all of it, itself included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from asd.artifact import RECORD, is_current, lack
from asd.digest import sha256_json
from asd.errors import JobError, UsageError
from asd.features.checkpoint import CONFIG, PREPROCESSOR, WEIGHTS
from asd.features.projection import HEAD, Head, Projection
from asd.training.artifact import (
    HISTORY,
    CheckpointRequest,
    read_checkpoint_record,
    write_checkpoint,
)
from asd.training.pretrained import find_base

FILES = (CONFIG, PREPROCESSOR, WEIGHTS, HEAD, HISTORY)


def request(inputs: str = "a" * 64) -> CheckpointRequest:
    return CheckpointRequest(
        version=1,
        base={"name": "builtin:tiny", "digest": "b" * 64},
        params={"steps": 1},
        inputs=inputs,
        sample_rate=16000,
        channel=0,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weight, bias = np.ones((5, 2, 3), np.float32), np.zeros((5, 2), np.float32)
    head = Head(Projection(weight[0], bias[0], 1), pca_weight=weight, pca_bias=bias)
    write_checkpoint(
        tmp_path / "ptm",
        tmp_path / "beside",
        find_base("builtin:tiny"),
        nn.Linear(2, 2),
        head,
        request(),
        {"last": {"loss": 0.1 + 0.2}},
        [{"objective": "classify", "step": 1, "loss": 0.3}],
    )
    return tmp_path / "ptm"


def test_a_checkpoint_is_of_its_run_alone(folder: Path) -> None:
    assert is_current(folder / RECORD, request())
    assert not is_current(folder / RECORD, request("c" * 64))
    record = read_checkpoint_record(folder)
    assert record.facts["last"] == {"loss": 0.1 + 0.2}
    assert record.asked(CheckpointRequest) == request()
    assert set(record.files) == set(FILES)
    assert {"asd", "python", "numpy", "safetensors", "torch", "transformers"} == set(
        record.versions
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted((*FILES, RECORD))
    assert not folder.with_name("beside").exists()


def test_every_flipped_byte_of_the_record_is_found(folder: Path) -> None:
    path = folder / RECORD
    whole, expected = path.read_bytes(), read_checkpoint_record(folder)
    errors = []
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        try:
            assert read_checkpoint_record(folder) == expected  # white space alone
        except JobError as error:
            errors.append(str(error))
    assert len(errors) > 0.8 * len(whole)
    assert not [error for error in errors if "\n" in error]


@pytest.mark.parametrize("name", FILES)
def test_other_files_are_found_damaged_or_lost(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(JobError, match="delete it and run 'asd finetune'"):
        read_checkpoint_record(folder).check()
    assert not is_current(folder / RECORD, request())
    (folder / name).unlink()
    with pytest.raises(JobError, match=r"lost: .*run 'asd finetune'"):
        read_checkpoint_record(folder).check()
    assert not is_current(folder / RECORD, request())
    assert lack(folder / RECORD, request()) == f"{name} is gone"


def test_a_record_of_another_schema_is_refused(folder: Path) -> None:
    path = folder / RECORD
    record = json.loads(path.read_text()) | {"schema": 0}
    del record["digest"]
    path.write_text(json.dumps(record | {"digest": sha256_json(record)}))
    with pytest.raises(JobError, match="schema 0, this version reads"):
        read_checkpoint_record(folder)
    assert not is_current(path, request())


def test_a_missing_checkpoint_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"record.json: no such checkpoint; run 'asd finetune' first"
    ):
        read_checkpoint_record(tmp_path)
