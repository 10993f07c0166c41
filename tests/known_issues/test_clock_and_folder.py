"""Changed recordings that a clock hid, or nobody told of; a removed folder that had no name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asd.artifact import lack
from asd.errors import UsageError
from asd.stages import index, verify
from asd.workspace import Workspace

AHEAD = 4e9  # seconds: the clock of the day on which the artifact was made


def test_a_time_to_come_vouches_for_nothing(tiny: Path) -> None:
    workspace = Workspace.at(tiny)
    path = workspace.index_path("pump")
    for file in (path, path.with_suffix(".json")):
        os.utime(file, (AHEAD, AHEAD))
    assert index.lacks(workspace, "pump") == []
    sound = tiny / "raw/pump/id_00/train/00_03.wav"
    sound.write_bytes(sound.read_bytes()[:-2] + b"00")
    (said,) = index.lacks(workspace, "pump")
    assert said.startswith("1 recording changed")
    scores = workspace.score_record("cosine", "pump")
    os.utime(scores, (AHEAD, AHEAD))
    assert not lack(scores, None)
    scores.with_suffix(".csv").write_text("section,name")
    assert lack(scores, None) == "damaged"


def test_a_recording_that_changed_is_said_when_it_is_indexed_again(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace.at(tiny)
    sound = tiny / "raw/pump/id_00/train/00_03.wav"
    record = workspace.index_path("pump").with_suffix(".json")
    before = record.stat()
    assert list(index.run(workspace))
    assert record.stat().st_ino == before.st_ino  # nobody who reads it is disturbed
    assert "changed since the last index" not in capsys.readouterr().err
    sound.write_bytes(sound.read_bytes()[:-2] + b"00")
    assert list(index.run(workspace))
    said = "pump: 1 recording changed since the last index, such as pump/id_00/train/00_03.wav"
    assert said in capsys.readouterr().err


def test_recordings_that_a_damaged_index_tells_nothing_of_are_counted(tiny: Path) -> None:
    workspace = Workspace.at(tiny)
    path = workspace.index_path("pump")
    path.write_bytes(path.read_bytes()[:-2])
    found = verify.run(workspace, deep=True)
    assert [one.path for one in found.damaged] == [path]
    assert any("26 recordings are not compared" in one.text for one in found.notes)


def test_a_folder_that_was_removed_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the current folder is not there any more"):
        Workspace.find()
