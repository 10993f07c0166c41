"""Waiting for recordings: each comes once, when it has stopped growing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.detection.arrivals import arrivals


class EndError(Exception):
    """The last look."""


def seen(folder: Path, steps: list[Callable[[], object]]) -> list[str]:
    """Return the names that arrive when one step is made before each look."""
    todo = iter(steps)

    def wait(seconds: float) -> None:
        try:
            next(todo)()
        except StopIteration:
            raise EndError from None

    found = []
    with pytest.raises(EndError):
        for path in arrivals(folder, wait=wait):
            found.append(path.name)
    return found


def nothing() -> None:
    """Let time pass."""


def test_a_file_comes_once_it_rests(tmp_path: Path) -> None:
    (tmp_path / "old.wav").write_bytes(b"there before")
    new = tmp_path / "new.wav"
    writes = [lambda n=n: new.write_bytes(b"x" * n) for n in (1, 2, 3)]
    assert seen(tmp_path, [*writes]) == []
    new.unlink()
    assert seen(tmp_path, [*writes, nothing, nothing, nothing]) == ["new.wav"]


def test_empty_hidden_and_other_files_do_not_come(tmp_path: Path) -> None:
    def write() -> None:
        (tmp_path / "empty.wav").touch()
        (tmp_path / ".hidden.wav").write_bytes(b"x")
        (tmp_path / "notes.txt").write_bytes(b"x")
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "b.flac").write_bytes(b"x")

    assert seen(tmp_path, [write, nothing, nothing]) == ["b.flac"]


def test_a_file_written_again_comes_again(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"

    def write() -> None:
        file.write_bytes(b"x")

    def again() -> None:
        file.write_bytes(b"y")
        os.utime(file, ns=(1, 1))

    assert seen(tmp_path, [write, nothing, again, nothing, nothing]) == ["a.wav", "a.wav"]


def test_a_renamed_file_comes(tmp_path: Path) -> None:
    part = tmp_path / ".a.wav.part"
    steps = [lambda: part.write_bytes(b"x"), lambda: part.rename(tmp_path / "a.wav"), nothing]
    assert seen(tmp_path, [*steps, nothing]) == ["a.wav"]
