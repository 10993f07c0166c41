"""The folder of a checkpoint: its record vouches for all of it, itself included."""

import numpy as np
import pytest
from torch import nn

from asd.artifact import RECORD, is_current
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


def request(inputs="a" * 64):
    return CheckpointRequest(
        version=1,
        base={"name": "builtin:tiny", "digest": "b" * 64},
        params={"steps": 1},
        inputs=inputs,
        sample_rate=16000,
        channel=0,
    )


@pytest.fixture
def folder(tmp_path):
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


def test_a_checkpoint_is_of_its_run_alone(folder):
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
