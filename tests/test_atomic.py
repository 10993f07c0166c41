"""A file is replaced whole or left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import SafetensorError

from asd.atomic import replacing
from asd.errors import JobError


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


def test_a_full_disk_is_one_line_from_any_library(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_text("old")
    with pytest.raises(JobError) as caught, replacing(path):
        raise SafetensorError("I/O error:\nNo space left on device (os error 28)")
    assert str(caught.value) == (
        f"{path}: cannot be written: I/O error: No space left on device (os error 28)"
    )
    assert path.read_text() == "old"
