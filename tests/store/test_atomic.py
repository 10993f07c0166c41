"""A file is replaced whole or left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd.errors import JobError
from asd.store.atomic import replacing


def test_success_replaces(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    for text in ("old", "new"):
        with replacing(path) as beside:
            beside.write_text(text)
        assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_failure_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_refusal_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobError, match="cannot be written") as caught:  # noqa: SIM117
        with replacing(tmp_path / "file" / "below.json"):
            pass
    assert "\n" not in str(caught.value)
