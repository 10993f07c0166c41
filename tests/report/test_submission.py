"""Packages for the challenge: their labels, which clips they are of, folder and zip."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.errors import JobError, UsageError
from asd.metrics.truth import Truth
from asd.report import submission
from asd.report.submission import (
    Label,
    choose_clips,
    read_package,
    write_package,
    zip_bytes,
)

LABEL = Label("Tanaka", "UT", 2)
FILES = {
    "task2/Tanaka_UT_task2.technical_report.pdf": b"%PDF",
    "task2/Tanaka_UT_task2_2/Tanaka_UT_task2_2.meta.yaml": b"submission:\n",
    "task2/Tanaka_UT_task2_2/anomaly_score_fan_section_03_test.csv": b"a.wav,0.5\n",
}


def test_a_label_is_as_the_challenge_forms_it() -> None:
    assert str(LABEL) == "Tanaka_UT_task2_2"
    assert LABEL.meta in FILES
    assert LABEL.technical_report in FILES


@given(
    st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True),
    st.integers(1, 4),
)
def test_a_label_is_read_back(author: str, institute: str, number: int) -> None:
    label = Label(author, institute, number)
    assert Label.parse(str(label)) == label


@pytest.mark.parametrize("parts", [("A_B", "UT", 1), ("Tanaka", "", 1), ("Tanaka", "UT", 5)])
def test_what_cannot_be_in_a_label_is_wrong_use(parts: tuple[str, str, int]) -> None:
    with pytest.raises(UsageError, match="letters, digits and '-' alone"):
        Label(*parts)
    assert Label.parse("_".join([*parts[:2], "task2", str(parts[2])])) is None


def truth(machine: str, section: str, *labels: bool | None) -> Truth:
    names = {f"{i}.wav": label for i, label in enumerate(labels)}
    return Truth(machine, section, names, dict.fromkeys(names, ""))


DEV, EVAL = truth("fan", "00", True, False), truth("fan", "03", None, None)
NOTHING_READABLE = Truth("fan", "04", {}, {}, unusable=3)


@pytest.mark.parametrize(
    ("part", "sections"),
    [(None, ["03"]), ("eval", ["03"]), ("dev", ["00"]), ("all", ["00", "03"])],
)
def test_the_part_says_which_sections(part: submission.Part | None, sections: list[str]) -> None:
    of_all = {(t.machine, t.section): t for t in (DEV, EVAL, NOTHING_READABLE)}
    chosen = choose_clips(of_all, part)
    assert chosen == {("fan", section): {"0.wav", "1.wav"} for section in sections}


def test_without_unlabelled_clips_all_are_taken_unless_eval_is_asked_for() -> None:
    assert choose_clips({("fan", "00"): DEV}, None).keys() == {("fan", "00")}
    with pytest.raises(UsageError, match="no unlabelled test clips"):
        choose_clips({("fan", "00"): DEV}, "eval")
    with pytest.raises(UsageError, match="no labelled test clips"):
        choose_clips({("fan", "03"): EVAL}, "dev")


def test_folder_and_zip_hold_the_same(tmp_path: Path) -> None:
    write_package(tmp_path / "UT", tmp_path / "UT.zip", FILES)
    (tmp_path / "UT" / "task2" / ".DS_Store").write_bytes(b"not ours")
    assert read_package(tmp_path / "UT") == read_package(tmp_path / "UT.zip") == FILES


def test_the_zip_is_the_same_whenever_and_in_whatever_order_it_is_made() -> None:
    packed = zip_bytes(FILES)
    assert zip_bytes(dict(reversed(FILES.items()))) == packed
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == sorted(FILES)
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        assert archive.testzip() is None


def test_score_files_of_an_older_package_go_and_nothing_else(tmp_path: Path) -> None:
    folder, archive = tmp_path / "UT", tmp_path / "UT.zip"
    write_package(folder, archive, FILES)
    stale = "task2/Tanaka_UT_task2_2/anomaly_score_fan_section_03_test.csv"
    (folder / "task2" / "notes.txt").write_text("mine")
    write_package(folder, archive, {k: v for k, v in FILES.items() if k != stale})
    assert not (folder / stale).exists()
    assert (folder / "task2" / "notes.txt").exists()


def test_what_is_no_package_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such package"):
        read_package(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("this is text")
    with pytest.raises(JobError, match="not a readable zip"):
        read_package(tmp_path / "text.zip")
    packed = zip_bytes(FILES)
    (tmp_path / "flipped.zip").write_bytes(packed.replace(b"a.wav,0.5\n", b"a.wav,0.6\n"))
    with pytest.raises(JobError, match="not a readable zip"):
        read_package(tmp_path / "flipped.zip")


def test_a_path_twice_in_a_zip_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("task2/a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("task2/a", b"2")
    with pytest.raises(JobError, match="'task2/a' is in it twice"):
        read_package(tmp_path / "twice.zip")


def test_what_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_package(tmp_path / "UT", tmp_path / "UT.zip", FILES)
    monkeypatch.setattr(submission, "MAX_BYTES", 10)
    for path in (tmp_path / "UT", tmp_path / "UT.zip"):
        with pytest.raises(JobError, match=re.escape(str(path))):
            read_package(path)
