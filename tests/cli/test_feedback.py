"""`asd feedback` and `asd threshold` as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asd.cli.prediction_output import printer
from asd.detection.detector import Detector
from asd.stages.recordings import said_of_known_faults
from asd.stages.report import _digests
from asd.workspace import Workspace

ODD = "raw/pump/id_00/test/anomaly"
NORMAL = "raw/pump/id_00/test/normal/00_09.wav"


def test_a_fault_is_learned_named_and_forgotten(
    project: Path, asd: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    done = asd("feedback", "--machine", "pump", "--section", "00", "fault", f"{ODD}/00_11.wav")
    assert done.code == 0
    assert done.out.splitlines() == [
        "pump: 1 fault learned, 0 known already",
        "system cosine finds 1 of 1 known fault",
    ]
    (row,) = json.loads(asd("predict", "--section", "00", f"{ODD}/00_12.wav", "--json").out)
    assert row["fault"] == "00_11.wav"
    assert "fault 00_11.wav" in asd("predict", "--section", "00", f"{ODD}/00_12.wav").out
    assert "00_11.wav: section 00, score 0." in asd("feedback", "--list").out
    (found,) = Detector(project, "pump").predictions([f"{ODD}/00_12.wav"], "00")
    table = printer("table", (), 1)
    table.one(replace(found, threshold=found.score + 1, anomalous=False))
    table.end("pump")
    missed = "1 below the threshold, but like a known fault: 'asd threshold --find-faults'"
    assert missed in capsys.readouterr().out
    assert "1 fault forgotten" in asd("feedback", "forget", f"{ODD}/00_11.wav").out
    assert "'asd enroll --undo' takes back" in asd("feedback", "forget", f"{ODD}/00_11.wav").out
    assert "no faults are known" in asd("feedback", "--list").out
    assert asd("verify").code == 0


def test_a_false_alarm_is_normal_from_now_on(project: Path, asd: Callable) -> None:
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 3
    done = asd("feedback", "--section", "00", "normal", f"{ODD}/00_11.wav", f"{ODD}/00_12.wav")
    assert done.code == 0
    assert "pump both: enrolled 2 clips in section 00" in done.out
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 0


def test_a_fault_that_is_normal_after_all(project: Path, asd: Callable) -> None:
    odd = f"{ODD}/00_11.wav"
    assert asd("feedback", "--section", "00", "fault", odd).code == 0
    done = asd("feedback", "--section", "00", "normal", odd)
    assert "pump: 1 fault forgotten, which 'asd enroll --undo' does not bring back" in done.out
    assert "enrolled 1 clip" in done.out
    done = asd("feedback", "--section", "00", "fault", odd)
    assert done.code == 2
    assert "'asd enroll --undo'" in done.err


def test_a_list_of_marks(project: Path, asd: Callable) -> None:
    """The section of what is listed comes from the index; what has no mark is passed over."""
    Path("marks.csv").write_text(
        "machine,recording,mark\npump,00_11.wav,fault\npump,02_09.wav,normal\npump,02_10.wav,\n"
    )
    done = asd("feedback", "--from", "marks.csv", "--json")
    assert done.code == 0
    rows = json.loads(done.out)
    assert [(row["mark"], Path(row["recording"]).name) for row in rows] == [
        ("fault", "00_11.wav"),
        ("normal", "02_09.wav"),
    ]
    (row, *_) = json.loads(asd("enroll", "--list", "--json").out)[1:]
    assert row["added"] == ["02_09.wav"]


def test_a_list_is_taken_whole_or_not_at_all(project: Path, asd: Callable) -> None:
    Path("marks.csv").write_text(
        "machine,recording,mark\npump,00_11.wav,fault\npmp,00_12.wav,fault\n"
        "pump,gone.wav,normal\npump,00_12.wav,faulty\n"
    )
    done = asd("feedback", "--from", "marks.csv")
    assert done.code == 2
    second, third, fourth = done.err.splitlines()
    assert "marks.csv, line 3: unknown machine 'pmp' (did you mean 'pump'?)" in second
    assert "line 4: gone.wav: no such recording" in third
    assert "line 5: unknown mark 'faulty' (did you mean 'fault'?)" in fourth
    assert not (project / "data/faults").exists()
    Path("marks.csv").write_text("a,b\n1,2\n")
    assert "no table with the columns" in asd("feedback", "--from", "marks.csv").err


def test_the_report_says_how_many_faults_are_found(project: Path, asd: Callable) -> None:
    """And is made anew where that changes."""
    workspace = Workspace.at(".")
    assert list(said_of_known_faults(workspace, "pump", "cosine")) == []
    before = _digests(workspace, ["pump"])
    assert asd("feedback", "--section", "00", "fault", ODD).code == 0
    assert list(said_of_known_faults(workspace, "pump", "cosine")) == [
        "The threshold finds 2 of 2 known faults."
    ]
    after = _digests(workspace, ["pump"])
    assert set(after) - set(before) == {"faults/pump/record.json"}
    assert asd("threshold", "--rate", "0.3").code == 0
    assert "thresholds/pump/cosine.json" in _digests(workspace, ["pump"])


def test_wrong_use(project: Path, asd: Callable) -> None:
    for wrong, text in (
        ((), "give a mark"),
        (("fault",), "no recordings"),
        (("broken", NORMAL), "'broken' is not one of"),
        (("fault", "gone.wav"), "gone.wav: no such file"),
        (("fault", NORMAL, "gone.wav"), "nothing is taken up"),
        (("fault", NORMAL, "--list"), "give a mark"),
    ):
        done = asd("feedback", *wrong)
        assert done.code == 2, wrong
        assert text in done.err


def test_the_working_point_is_shown_and_set(project: Path, asd: Callable) -> None:
    done = asd("threshold", "--machine", "pump")
    assert done.code == 0
    assert "pump, system cosine: 20 % false alarms (score.false_alarm_rate" in done.out
    assert "known faults found" in done.out
    assert asd("feedback", "--section", "00", "fault", ODD).code == 0
    done = asd("threshold", "--find-faults", "--json")
    rows = json.loads(done.out)
    (now,) = [row for row in rows if row["decides"] and row["section"] == "00"]
    assert (now["rate"], now["faults_found"], now["faults"]) == (0.1, 2, 2)
    assert "10 % false alarms (asd threshold --find-faults)" in asd("threshold").out
    (said,) = json.loads(asd("predict", NORMAL, "--section", "00", "--json").out)
    assert said["threshold"] == now["threshold"]
    assert "5 % false alarms (asd threshold --rate)" in asd("threshold", "--rate", "0.05").out
    assert "threshold" not in asd("status").out
    assert asd("verify").code == 0
    assert "20 % false alarms (score." in asd("threshold", "--reset").out


def test_wrong_working_points(project: Path, asd: Callable) -> None:
    for wrong, text in (
        (("--rate", "0"), "0 is not in the range"),
        (("--rate", "0.1", "--reset"), "give one of them"),
        (("--find-faults",), "no faults are known"),
        (("--system", "cosin"), "did you mean 'cosine'"),
    ):
        done = asd("threshold", *wrong)
        assert done.code == 2
        assert text in done.err


def test_a_fault_is_not_forgotten_where_it_does_not_become_normal(
    project: Path, asd: Callable
) -> None:
    assert asd("feedback", "--section", "00", "fault", f"{ODD}/00_11.wav").code == 0
    closed = project / "data/enrolled"
    closed.write_text("no folder")
    done = asd("feedback", "--section", "00", "normal", f"{ODD}/00_11.wav")
    assert (done.code, "cannot be written" in done.err) == (1, True)
    assert "00_11.wav" in asd("feedback", "--list").out
    closed.unlink()
    done = asd("feedback", "--section", "00", "normal", f"{ODD}/00_11.wav")
    assert (done.code, "1 fault forgotten" in done.out) == (0, True)
