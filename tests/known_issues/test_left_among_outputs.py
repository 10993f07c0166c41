"""What stages left in the data: a file beside an index, and the folder of what was refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asd.errors import UsageError
from asd.stages import finetune, index, status
from asd.workspace import PARAMS, Workspace


def test_what_status_names_among_the_indexes_is_removed(tiny: Path) -> None:
    """A file with the name of a machine and another suffix was stale for ever."""
    workspace, other = Workspace.at(tiny), tiny / "data/index/pump.txt"
    other.touch()
    assert any("pump.txt" in str(one.reasons) for one in status.states(workspace, ["pump"]))
    list(index.run(workspace))
    assert sorted(one.name for one in other.parent.iterdir()) == ["pump.csv", "pump.json"]


def test_a_refused_fine_tuning_leaves_no_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny / PARAMS
    path.write_text(path.read_text() + "finetune: {base: ./nothing}\n")
    shutil.rmtree(tiny / "data/checkpoints", ignore_errors=True)
    monkeypatch.setattr(finetune, "is_needed", lambda workspace: True)
    with pytest.raises(UsageError):
        list(finetune.run(Workspace.at(tiny)))
    assert not (tiny / "data/checkpoints/ptm").exists()
