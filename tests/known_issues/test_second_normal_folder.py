"""A second ``--normal`` that is no folder was passed over in silence where the first one was."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import UsageError
from asd.stages.init import _below


def test_each_folder_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "pump" / "monday").mkdir(parents=True)
    assert _below(tmp_path, [Path("monday")], ["pump"]) == ["pump/monday"]
    with pytest.raises(UsageError, match=r"--normal tuesday: no such folder below"):
        _below(tmp_path, [Path("monday"), Path("tuesday")], ["pump"])
