"""Finding machines and recordings, and what to say where there are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asd.clips.scan import find_machines, find_recordings, machine_folder
from asd.errors import UsageError

Make = Callable[..., Path]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def make(raw: Path) -> Make:
    def files(*names: str) -> Path:
        for name in names:
            path = raw / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return raw

    return files


def test_machines_are_the_folders_that_hold_recordings(make: Make) -> None:
    raw = make("fan/train/a.wav", "belt/normal/x/a.FLAC", "pump/a.mp3", "notes/a.txt", "loose.wav")
    make(".cache/train/a.wav", "empty/.hidden.wav")
    assert find_machines(raw) == ["belt", "fan", "pump"]


def test_recordings_come_in_order_without_what_is_no_audio(make: Make, raw: Path) -> None:
    make("fan/train/b.wav", "fan/train/a.ogg", "fan/test/deep/c.flac", "fan/attributes_00.csv")
    make("fan/train/._b.wav", "fan/.trash/d.wav", "fan/readme.md", "fan/train/e.mp3")
    found = find_recordings(raw / "fan")
    assert [(recording.place, recording.problem) for recording in found] == [
        ("test/deep/c.flac", ""),
        ("train/a.ogg", ""),
        ("train/b.wav", ""),
        ("train/e.mp3", ""),
    ]
    assert found[0].file == raw / "fan/test/deep/c.flac"
    assert found[0].folders == ("test", "deep")


def test_links_to_files_are_read_and_links_to_folders_are_listed(make: Make, raw: Path) -> None:
    make("fan/train/a.wav", "../elsewhere/b.wav", "../elsewhere/c.wav")
    (raw / "fan/train/b.wav").symlink_to(raw.parent / "elsewhere/b.wav")
    (raw / "fan/train/broken.wav").symlink_to("nowhere.wav")
    (raw / "fan/train/outside").symlink_to(raw.parent / "elsewhere")
    (raw / "fan/train/round").symlink_to(raw)
    listed = {found.place: found.problem for found in find_recordings(raw / "fan")}
    not_followed = "link to a folder: link the machine's folder instead"
    assert listed == {
        "train/a.wav": "",
        "train/b.wav": "",
        "train/broken.wav": "not a file: DVC cannot hold it; remove it",
        "train/outside": not_followed,
        "train/round": not_followed,
    }


def test_a_machine_s_folder_may_be_a_link(make: Make, raw: Path) -> None:
    make("../disk/train/a.wav")
    raw.mkdir(exist_ok=True)
    (raw / "fan").symlink_to(raw.parent / "disk")
    assert find_machines(raw) == ["fan"]
    assert [found.place for found in find_recordings(machine_folder(raw, "fan"))] == ["train/a.wav"]


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        (b"a\xff.wav", r"a\udcff.wav", "name not in UTF-8: DVC cannot hold it"),
        (b"a\xff.txt", r"a\udcff.txt", "name not in UTF-8: DVC cannot hold it"),
        (b"a\n.wav", r"a\n.wav", "unprintable name: rename the file or its folder"),
    ],
)
def test_names_that_no_table_can_hold_are_written_out(
    make: Make, name: bytes, shown: str, problem: str
) -> None:
    raw = make("fan/train/b.wav")
    try:
        (raw / "fan/train" / os.fsdecode(name)).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    first = find_recordings(raw / "fan")[0]
    assert first.place == f"train/{shown}"
    assert first.problem.startswith(problem)
    first.place.encode()


def test_a_folder_with_an_unprintable_name_spoils_what_is_in_it(make: Make, raw: Path) -> None:
    make("fan/tr\nain/a.wav")
    (found,) = find_recordings(raw / "fan")
    assert (found.place, found.problem[:16]) == ("tr\\nain/a.wav", "unprintable name")


def test_what_is_missing_is_told_with_what_is_there(make: Make, raw: Path) -> None:
    with pytest.raises(UsageError, match="raw: no such folder"):
        find_machines(raw)
    with pytest.raises(UsageError, match="raw: no such folder"):
        machine_folder(raw, "fan")
    raw.mkdir()
    with pytest.raises(UsageError, match="it holds nothing"):
        find_machines(raw)
    make("dev_data_fan.zip", *(f"notes/{number}.txt" for number in range(10)))
    with pytest.raises(UsageError, match=r"no folder in it holds .*; it holds dev_data_fan.zip, n"):
        find_machines(raw)
    make("fan/train/a.wav")
    with pytest.raises(UsageError, match=r"raw: unknown machine 'fam' .*'fan'.*; known: fan"):
        machine_folder(raw, "fam")
    with pytest.raises(UsageError, match=r"notes: no WAV.* it holds 0.txt, 1.txt, .* and 2 more"):
        machine_folder(raw, "notes")


@pytest.mark.parametrize("name", ["", ".", "..", "../raw/fan", "fan/train", "/"])
def test_a_path_is_no_machine(make: Make, name: str) -> None:
    with pytest.raises(UsageError, match="unknown machine"):
        machine_folder(make("fan/train/a.wav"), name)
