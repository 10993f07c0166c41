"""A file or a folder is replaced whole or left as it was."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from asd import atomic
from asd.atomic import replace_folder, replacing, restore
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


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder, and beside it the one that is to take its place; two files each."""
    folder, beside = tmp_path / "checkpoints" / "ptm", tmp_path / "work" / "new"
    for path, content in ((folder, "old"), (beside, "new")):
        path.mkdir(parents=True)
        for name in ("one", "two"):
            (path / name).write_text(content)
    return folder, beside


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_kill_leaves_the_old_folder_or_the_new_one(
    folders: tuple[Path, Path], exchange: bool, killed_at: Callable[..., bool]
) -> None:
    whole = [dict.fromkeys(("one", "two"), content) for content in ("old", "new")]
    folder, beside = folders
    found, missing = [], 0
    for step in itertools.count():
        shutil.rmtree(folder.parent)
        for path, content in zip(folders, ("old", "new"), strict=True):
            path.mkdir(parents=True, exist_ok=True)
            for name in ("one", "two"):
                (path / name).write_text(content)
        killed = killed_at(step, ("os.", "shutil.", "open"), lambda: replace_folder(folder, beside))
        missing += not folder.exists()
        restore(folder)
        assert _contents(folder) in whole
        found.append(_contents(folder)["one"])
        if not killed:
            break
    assert found == sorted(found, reverse=True), "the new folder stays once it is there"
    assert {"old", "new"} == set(found)
    assert len(found) > 6
    assert missing == (0 if exchange else 1)
    assert [path.name for path in folder.parent.iterdir()] == ["ptm"]
    assert not beside.exists()


def test_a_refusal_leaves_the_old_folder(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, beside = folders
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == beside:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space"):
        replace_folder(folder, beside)
    assert _contents(folder) == {"one": "old", "two": "old"}
    assert [path.name for path in folder.parent.iterdir()] == ["ptm"]


def test_a_new_folder_needs_no_old_one(folders: tuple[Path, Path]) -> None:
    folder, beside = folders
    shutil.rmtree(folder.parent)
    replace_folder(folder, beside)
    assert _contents(folder) == {"one": "new", "two": "new"}
    assert [path.name for path in folder.parent.iterdir()] == ["ptm"]


def test_what_a_killed_run_set_aside_is_put_back_once(folders: tuple[Path, Path]) -> None:
    folder, beside = folders
    aside = folder.with_name(".ptm.old")
    folder.rename(aside)
    restore(folder)
    assert _contents(folder) == {"one": "old", "two": "old"}
    beside.rename(aside)
    restore(folder)
    assert _contents(folder) == {"one": "old", "two": "old"}


def test_what_was_set_aside_and_replaced_is_removed(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    folder, beside = folders
    shutil.copytree(folder, folder.with_name(".ptm.old"))
    replace_folder(folder, beside)
    assert _contents(folder) == {"one": "new", "two": "new"}
    assert [path.name for path in folder.parent.iterdir()] == ["ptm"]


def test_a_file_may_be_read_as_any_other(tmp_path: Path) -> None:
    """Their library writes weights that its own user alone can read: no service of another."""
    other = tmp_path / "other"
    other.touch()
    with replacing(tmp_path / "weights") as beside:
        beside.unlink()
        beside.touch(mode=0o600)
    assert (tmp_path / "weights").stat().st_mode == other.stat().st_mode
