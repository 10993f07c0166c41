"""What was taken back or set while somebody read it was damage, "delete it", or a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asd import artifact
from asd.artifact import Record
from asd.detection import Detector, feedback
from asd.detection.arrivals import Arrival
from asd.detection.enroll import Enrolment, versions
from asd.detection.export import export
from asd.detection.watch import Rule, Watch
from asd.detection.working_point import WorkingPointRequest, set_working_point, working_point
from asd.errors import JobError
from asd.workspace import Workspace
from tests.made import run_verbs

NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
ODD = "raw/pump/id_00/test/anomaly/00_11.wav"
CHANGES = ("enroll --undo", f"feedback forget {ODD}", "threshold --reset")


@pytest.fixture
def settled(tiny: Path) -> Path:
    """A workspace with an enrolment, a known fault and a working point."""
    run_verbs(tiny, f"feedback fault --section 00 {ODD}")
    run_verbs(tiny, f"enroll --section 00 --force {NORMAL}")
    run_verbs(tiny, "threshold --rate 0.15")
    for name in ("enrolled", "faults", "thresholds"):
        shutil.copytree(tiny / "data" / name, tiny / "before" / name)
    return tiny


def _disturbed(
    root: Path, work: Callable[[], object], change: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[object]:
    """Yield what work gives where a change is made at its first look at a record, its second …"""
    read, file = artifact._read, Record.file
    looks, at = 0, -1

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == at + 1:
            run_verbs(root, change)

    def looking_read(path: Path, *given: object) -> object:
        if path.is_relative_to(root):  # an exported copy is changed by nothing
            look()
        return read(path, *given)  # type: ignore[arg-type]

    def looking_file(record: Record, name: str) -> Path:
        found = file(record, name)
        if found.is_relative_to(root):
            look()  # between the check and the reading
        return found

    while looks > at:
        for name in ("enrolled", "faults", "thresholds"):
            shutil.rmtree(root / "data" / name)
            shutil.copytree(root / "before" / name, root / "data" / name)
        looks, at = 0, at + 1
        with monkeypatch.context() as patch:
            patch.setattr(artifact, "_read", looking_read)
            patch.setattr(Record, "file", looking_file)
            yield work()


@pytest.mark.parametrize("change", CHANGES)
def test_a_prediction_is_of_before_or_after(
    settled: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def predict() -> tuple[object, ...]:
        (found,) = Detector(settled, "pump").predictions([settled / ODD], "00")
        return found.threshold, found.fault, found.nearest

    before = predict()
    found = list(_disturbed(settled, predict, change, monkeypatch))
    assert len(found) > 10
    run_verbs(settled, change)
    assert set(found) <= {before, predict()}


@pytest.mark.parametrize("change", CHANGES)
def test_an_export_is_of_before_or_after(
    settled: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = settled / "pump.asd"

    def write() -> bytes:
        export(Detector(settled, "pump"), path, sounds=1)
        return path.read_bytes()

    before = write()
    found = set(_disturbed(settled, write, change, monkeypatch))
    run_verbs(settled, change)
    assert found <= {before, write()}


def test_what_is_enrolled_and_known_can_be_listed_meanwhile(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.at(settled)
    lists = (
        (lambda: len(versions(workspace, "pump")["mel"]), CHANGES[0], {1, 2}),
        (lambda: len(Enrolment(workspace, "pump").detectors), CHANGES[0], {3}),
        (lambda: len(feedback.known_faults(Detector(settled, "pump"))), CHANGES[1], {0, 1}),
        (lambda: working_point(workspace, "pump", "cosine") is None, CHANGES[2], {False, True}),
    )
    for work, change, allowed in lists:
        assert set(_disturbed(settled, work, change, monkeypatch)) <= allowed


def test_a_watch_takes_up_what_came_while_its_detector_was_loaded(tiny: Path) -> None:
    detector, rows = Detector(tiny, "pump"), []
    request = WorkingPointRequest(machine="pump", system="cosine", rate=0.35)
    set_working_point(Workspace.at(tiny), request)
    watch = Watch(detector, Rule(), rows.append, section="00")
    watch.run([Arrival(str(tiny / NORMAL)), Arrival(str(tiny / ODD))])
    assert [row["event"] for row in rows] == ["reloaded", "recording", "recording", "state"]
    limit = Detector(tiny, "pump").thresholds["00"].value
    assert [row["threshold"] for row in rows[1:3]] == [limit, limit]


def test_a_damaged_library_keeps_no_recording_from_being_scored(
    settled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, object]] = []
    watch = Watch(Detector(settled, "pump"), Rule(), rows.append, section="00")
    record = settled / "data/faults/pump/record.json"
    record.write_text(json.dumps({}))
    watch.run([None, None, Arrival(str(settled / ODD))])
    assert rows[0]["decision"] == "anomalous"
    assert capsys.readouterr().err.count("the detector of before decides on") == 1
    with pytest.raises(JobError, match=r"faults.*record\.json"):
        Watch(Detector(settled, "pump"), Rule(), rows.append)
