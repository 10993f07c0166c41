"""A fine-tuning killed while its checkpoint took the place of the old one left no checkpoint.

The old folder was renamed away before the new one was renamed to its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from asd.artifact import RECORD, is_current
from asd.features.checkpoint import describe
from asd.features.projection import Head, Projection
from asd.training.artifact import CheckpointRequest, read_checkpoint_record, write_checkpoint
from asd.training.pretrained import find_base


def _request(identity: str) -> CheckpointRequest:
    return CheckpointRequest(
        version=1,
        base={"name": "builtin:tiny", "digest": ""},
        params={},
        inputs=identity,
        sample_rate=16000,
        channel=0,
    )


def _write(root: Path, identity: str) -> None:
    weight, bias = np.ones((5, 2, 3), np.float32), np.zeros((5, 2), np.float32)
    head = Head(Projection(weight[0], bias[0], 1), pca_weight=weight, pca_bias=bias)
    base = find_base("builtin:tiny")
    request = _request(identity)
    write_checkpoint(root / "ptm", root / "new", base, nn.Linear(2, 2), head, request, {}, [])


@pytest.mark.parametrize("reader", ["finetune", "extract"])
def test_a_kill_between_the_renames_leaves_a_checkpoint(
    tmp_path: Path, exchange: bool, killed_at: Callable[..., bool], reader: str
) -> None:
    folder, kills = tmp_path / "ptm", 0
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        _write(tmp_path, "old")
        killed = killed_at(kills, ("os.rename",), lambda: _write(tmp_path, "new"))
        if reader == "extract":
            assert describe(folder, "").folder == folder
        else:
            read_checkpoint_record(folder)
        assert any(is_current(folder / RECORD, _request(one)) for one in ("old", "new"))
        if not killed:
            break
        kills += 1
    assert is_current(folder / RECORD, _request("new"))
    # Six renames make the files and the record beside, before anything is exchanged.
    assert kills == 6 + (0 if exchange else 3)
