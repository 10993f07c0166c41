"""Other stages killed at random moments: an artifact is the old one or the new one, never half.

`ASD_LONG_TESTS=1` kills training 40 times instead of 6 times, and each other stage 10 times.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asd.stages import verify
from asd.workspace import Workspace
from tests.made import run_verbs, set_params

LONG = bool(os.environ.get("ASD_LONG_TESTS"))
Values = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """A stage to kill.

    Attributes:
        command: its command line.
        outputs: what it writes, below the project.
        vouched: the records that say that an artifact is whole, each for its folder.
        params: what the tiny project's params say otherwise.
        old: what they said when the artifact was made that is there already.
        goal: what a run prints that goes on from where a killed one was.
        kills: how often it is killed, in the short tests and in the long ones.
    """

    command: str
    outputs: tuple[str, ...]
    vouched: str
    params: Values
    old: Values
    kills: tuple[int, int]
    goal: str = ""


STAGES = [
    Stage(
        "train --model both",
        ("data/models/both", "data/checkpoints"),
        "data/models/both/*/record.json",
        {"train": {"epochs": 12}},
        {"train": {"seed": 5}},
        (6, 40),
        "of an interrupted run",
    ),
    Stage(
        "embed",
        ("data/banks",),
        "data/banks/*/*/record.json",
        {},
        {"embed": {"batch_size": 4}},
        (2, 10),
    ),
    Stage(
        "score",
        ("data/scores",),
        "data/scores/*/*.json",
        {},
        {"score": {"false_alarm_rate": 0.4}},
        (2, 10),
    ),
    Stage(
        "finetune",
        ("data/checkpoints",),
        "data/checkpoints/ptm/record.json",
        {
            "index": {"sample_rate": 16000},
            "features": {"ptm": {}},
            "models": {"heard": {"features": ["ptm"]}},
            "finetune": {"steps": 10, "batch_size": 2, "rows": 16, "seconds": 0.4},
        },
        {"finetune": {"seed": 5, "steps": 1}},
        (2, 10),
        "of an interrupted run",
    ),
]


def _artifacts(root: Path, stage: Stage) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each whole artifact: where it lies, and the bytes of its files."""
    for voucher in root.glob(stage.vouched):
        files = [path for path in voucher.parent.iterdir() if path.name[0] != "."]
        contents = {path.name: path.read_bytes() for path in files}
        yield voucher.relative_to(root).as_posix(), contents


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.command.split()[0])
def test_a_killed_stage_loses_nothing(tiny: Path, kill: Callable, stage: Stage) -> None:
    set_params(tiny, stage.params)
    before = (tiny / "pipeline/params.yaml").read_bytes()
    if "index" in stage.params:
        run_verbs(tiny, "index")
    set_params(tiny, stage.old)
    for folder in stage.outputs:
        shutil.rmtree(tiny / folder, ignore_errors=True)
    run_verbs(tiny, stage.command)
    for folder in stage.outputs:
        if (tiny / folder).exists():
            (tiny / "begin/old" / folder).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(tiny / folder, tiny / "begin/old" / folder)
    (tiny / "begin/nothing").mkdir()
    (tiny / "pipeline/params.yaml").write_bytes(before)

    def look(state: str) -> None:
        with chdir(tiny):
            assert not verify.run(Workspace.at("."), deep=True).damaged
        old, new = (dict(_artifacts(tiny / of, stage)) for of in ("begin/old", "whole"))
        there = dict(_artifacts(tiny, stage))
        assert new.keys() == old.keys()
        assert all(new[name] != old[name] for name in new)
        for name, contents in there.items():
            assert contents in (old[name], new[name])
        assert state == "killed" or there == new

    kills = stage.kills[LONG]
    kill(tiny, kills, stage.command, stage.outputs, look, stage.goal)
