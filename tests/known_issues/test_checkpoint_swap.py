"""A fine-tuning killed while its checkpoint took the place of the old one left no checkpoint.

The old folder was renamed away before the new one was renamed to its place.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from asd.features.projection import Head, Projection
from asd.features.wav2vec2 import describe
from asd.finetuning.artifact import is_current, write_checkpoint
from asd.finetuning.base import find_base


def _write(root: Path, identity: str) -> None:
    weight, bias = np.ones((5, 2, 3), np.float32), np.zeros((5, 2), np.float32)
    head = Head(Projection(weight[0], bias[0], 1), pca_weight=weight, pca_bias=bias)
    base = find_base("builtin:tiny")
    record = {"identity": identity}
    write_checkpoint(root / "ptm", root / "new", base, nn.Linear(2, 2), head, record, [])


def _killed_at_rename(number: int, root: Path) -> bool:
    """Write a checkpoint in a process that is killed before a rename; False: it has ended."""
    child = os.fork()
    if not child:
        names = []

        def watch(event: str, _: object) -> None:
            if event == "os.rename":
                names.append(event)
                if len(names) > number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            _write(root, "new")
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("reader", ["finetune", "extract"])
def test_a_kill_between_the_renames_leaves_a_checkpoint(
    tmp_path: Path, exchange: bool, reader: str
) -> None:
    folder, kills = tmp_path / "ptm", 0
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        _write(tmp_path, "old")
        killed = _killed_at_rename(kills, tmp_path)
        if reader == "extract":
            assert describe(folder).folder == folder
        assert is_current(folder, "old") or is_current(folder, "new")
        if not killed:
            break
        kills += 1
    assert is_current(folder, "new")
    assert kills == (0 if exchange else 3)
