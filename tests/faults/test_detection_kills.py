"""Feedback, threshold, export killed at every step: what was there stays, or the new is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd.detection import Detector, export, feedback
from asd.detection.recording import read_recording
from asd.detection.working_point import (
    WorkingPointRequest,
    set_working_point,
    working_point,
)
from asd.stages import verify
from asd.workspace import Workspace

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
OTHER = "raw/pump/id_00/test/anomaly/00_12.wav"
EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "open")


def _names(root: Path) -> list[str]:
    workspace = Workspace.at(root)
    assert not verify.run(workspace).damaged
    return [one.name for one in feedback.library(workspace, "pump")]


def test_a_killed_feedback_loses_no_fault(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, killed_at: Callable[..., bool], exchange: bool
) -> None:
    detector = Detector(tiny, "pump")
    first, second = (
        read_recording(tiny / one, detector.signal, detector.limits) for one in (ODD, OTHER)
    )
    feedback.learn_faults(detector, [first], "00")
    before = tiny / "data/faults.before"
    shutil.copytree(tiny / "data/faults", before)
    work: list[Callable[[], object]] = []
    write = feedback._write
    with monkeypatch.context() as patch:
        # Networks are not run in a forked process: what is killed is the writing alone.
        patch.setattr(feedback, "_write", lambda *given: work.append(lambda: write(*given)))
        feedback.learn_faults(detector, [second], "00")
    step, seen = 0, set()
    while killed_at(step, EVENTS, work[0]):
        names = _names(tiny)
        seen.add(len(names))
        assert names == ["00_11.wav", "00_12.wav"][: len(names)]
        assert names
        shutil.rmtree(tiny / "data/faults")
        shutil.copytree(before, tiny / "data/faults")
        step += 1
    assert seen == {1, 2}
    assert _names(tiny) == ["00_11.wav", "00_12.wav"]
    work[0]()
    assert not [path for path in (tiny / "data/faults").iterdir() if path.suffix == ".part"]


def test_a_killed_export_leaves_the_file_of_before(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, killed_at: Callable[..., bool]
) -> None:
    path = tiny / "pump.asd"
    detector = Detector(tiny, "pump")
    export.export(detector, path, 1)
    old = path.read_bytes()
    detector.enroll([tiny / ODD], "00", force=True)

    def nothing(*_: Any) -> int:
        return 0

    monkeypatch.setattr(export, "_compare", nothing)  # it runs networks
    step = kills = 0
    while killed_at(
        step, ("os.rename", "os.remove", "tempfile"), lambda: export.export(detector, path, 1)
    ):
        if path.read_bytes() == old:
            kills += 1
        else:
            assert Detector.load(path).bank.clips.name[-1] == "00_11.wav"
            path.write_bytes(old)
        step += 1
    assert kills
    assert Detector.load(path).bank.clips.name[-1] == "00_11.wav"


def test_a_killed_threshold_leaves_the_one_of_before(
    tiny: Path, killed_at: Callable[..., bool]
) -> None:
    workspace = Workspace.at(tiny)

    def decide_by(rate: float) -> None:
        point = WorkingPointRequest(machine="pump", system="cosine", rate=rate)
        set_working_point(workspace, point)

    decide_by(0.05)
    step = 0
    while killed_at(step, EVENTS, lambda: decide_by(0.02)):
        point = working_point(workspace, "pump", "cosine")
        assert point is not None
        assert point.rate in (0.05, 0.02)
        decide_by(0.05)
        step += 1
    assert step > 1
