"""Two verbs at once in one workspace: neither fails, and nothing of either is lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd.artifact import Record
from asd.clips.audio import Limits
from asd.detection.enroll import Enrolment, last_enrolment
from asd.detection.recording import read_recording
from asd.stages import verify
from asd.workspace import PARAMS, Workspace
from tests.made import fork, replace_in, run_verbs

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
BANK = Path("data/banks/mel/pump/record.json")


def _start(root: Path, command: str, before: Callable[[], object]) -> int:
    """Run a verb in a fork that says on a file what it says on standard error; return its id."""
    child = fork()
    if child:
        return child
    try:
        with (root / "said").open("a") as said:
            os.dup2(said.fileno(), 2)
        sys.stderr = os.fdopen(2, "w", buffering=1)
        before()
        run_verbs(root, command, options=())
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize(
    ("verb", "change", "record"),
    [
        ("train --model mel", ("epochs: 2", "epochs: 1"), "models/mel/pump/record.json"),
        ("embed --model mel", ("batch_size: 8", "batch_size: 4"), "banks/mel/pump/record.json"),
        ("score --system spread", ("rate: 0.2", "rate: 0.3"), "scores/spread/pump.json"),
    ],
)
def test_of_two_runs_one_makes_what_both_want(
    tiny: Path, verb: str, change: tuple[str, str], record: str
) -> None:
    """The second waits, and leaves as it is what the first has made: somebody reads it already."""
    replace_in(tiny / PARAMS, *change)
    made = tiny / "data" / record

    def stop_before_the_end() -> None:
        def stop(event: str, arguments: Any) -> None:
            if event == "os.rename" and Path(arguments[1]).name == made.name:
                os.kill(os.getpid(), signal.SIGSTOP)

        sys.addaudithook(stop)

    first = _start(tiny, verb, stop_before_the_end)
    assert os.WIFSTOPPED(os.waitpid(first, os.WUNTRACED)[1])
    assert not made.exists()
    second = _start(tiny, verb, lambda: None)
    try:
        for _ in range(1200):
            if "another run is writing there; waiting" in (tiny / "said").read_text():
                break
            assert os.waitpid(second, os.WNOHANG) == (0, 0), "it did not wait"
            time.sleep(0.1)
        else:
            pytest.fail("it did not say that it waits")
    finally:
        os.kill(first, signal.SIGCONT)
    assert os.waitpid(first, 0)[1] == 0
    there = made.stat()
    assert os.waitpid(second, 0)[1] == 0
    assert made.stat().st_ino == there.st_ino
    assert not [one for one in made.parent.iterdir() if one.name[0] == "."]


def test_what_a_run_makes_anew_while_it_is_verified_is_no_damage(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_in(tiny / PARAMS, "rate: 0.2", "rate: 0.3")
    scores = tiny / "data/scores/spread/pump.json"
    read, runs = verify.read_record, ["score --system spread"]

    def slow(path: Path, *kind: Any) -> Record:
        record = read(path, *kind)
        if path == scores and runs:
            run_verbs(tiny, runs.pop())
        return record

    monkeypatch.setattr(verify, "read_record", slow)
    found = verify.run(Workspace.at(tiny))
    assert not found.damaged
    assert [one.path for one in found.notes] == [scores]


def test_a_repair_removes_nothing_that_was_made_anew_meanwhile(tiny: Path) -> None:
    workspace = Workspace.at(tiny)
    harmed = [tiny / BANK.with_name("train.h5"), tiny / "data/scores/spread/pump.csv"]
    for path in harmed:
        path.write_bytes(b"0")
    damaged = verify.run(workspace).damaged
    assert {one.path for one in damaged} == {*harmed}
    run_verbs(tiny, "embed --model mel")
    done = list(verify.repair(workspace, damaged))
    assert [one.whole for one in done] == [True, False]
    assert "whole again" in done[0].line
    assert [path.exists() for path in harmed] == [True, False]
    assert not [one.path for one in verify.run(workspace).damaged if one.path.parent.name == "pump"]


def test_an_enrolment_is_of_the_scores_that_there_are(tiny: Path) -> None:
    """It names the scores that it enlarged, and not others that were made meanwhile."""
    workspace = Workspace.at(tiny)
    known = Enrolment(workspace, "pump")
    replace_in(tiny / PARAMS, "rate: 0.2", "rate: 0.3")
    run_verbs(tiny, "score")
    fresh = Workspace.at(tiny)
    known.workspace = fresh  # as of a process that had read the params before
    sound = read_recording(tiny / ODD, known.signal, Limits(60, 8))
    known.enroll([sound], "00", force=True)
    record = last_enrolment(fresh, "pump")
    assert record is not None
    assert {one.rule.false_alarm_rate for one in known.detectors.values()} == {0.3}
