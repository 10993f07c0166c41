"""One name or folder that the system lets nobody look at ended `predict` for all the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from asd.cli.sounds import Complaints, find_sounds


def test_the_others_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, closed, long = tmp_path / "a.wav", tmp_path / "closed", "x" * 300
    sound.touch()
    closed.mkdir()
    scandir = os.scandir

    def refusing(folder: Any) -> Any:
        if Path(folder) == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    complaints = Complaints()
    assert find_sounds([long, str(closed), str(sound)], complaints) == [sound]
    assert complaints.exit_code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"asd: {long}: File name too long",
        f"asd: {closed}: cannot be listed (Permission denied); see its rights",
    ]
