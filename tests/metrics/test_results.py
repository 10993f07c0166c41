"""Result folders of every layout, however saved; and every fault named in one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asd.errors import JobError, UsageError
from asd.metrics.official import evaluate
from asd.metrics.results import read_systems
from asd.metrics.rules import RULES, Section, System
from asd.metrics.truth import Truth, read_truth

Make = Callable[..., Section]

SCORES = "anomaly_score_fan_section_00_test.csv"
DECISIONS = "decision_result_fan_section_00_test.csv"


@pytest.fixture
def truth(tmp_path: Path, write_truth: Callable, sections: list[Section]) -> Path:
    return write_truth(tmp_path / "truth", sections)


@pytest.fixture
def scores(tmp_path: Path, write_scores: Callable, sections: list[Section]) -> Path:
    return write_scores(tmp_path / "scores" / "ours", sections)


def read(scores: Path, truth: Path) -> list[System]:
    return read_systems(scores, read_truth(truth))


def problem(scores: Path, truth: Path) -> str:
    """The error of a folder at fault, which is of one line."""
    with pytest.raises(JobError) as caught:
        read(scores, truth)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(found: System, expected: list[Section]) -> None:
    by_name = sorted(expected, key=str)
    for section, other in zip(sorted(found.sections, key=str), by_name, strict=True):
        assert (str(section), section.names) == (str(other), other.names)
        for column in ("labels", "domains", "scores", "decisions"):
            np.testing.assert_array_equal(getattr(section, column), getattr(other, column))


def test_what_was_written_is_read(scores: Path, truth: Path, sections: list[Section]) -> None:
    [system] = read(scores, truth)
    assert (system.name, system.unlabelled, system.unusable) == ("ours", (), 0)
    same(system, sections)


def _shuffled(lines: list[str]) -> bytes:
    random.Random(1).shuffle(lines)
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "saved",
    [
        _shuffled,
        lambda lines: "\r\n".join(lines).encode() + b"\r\n",
        lambda lines: b"\xef\xbb\xbf" + "\n".join(lines).encode(),
        lambda lines: "\n".join(lines).replace(",", "\t").encode(),
        lambda lines: "\n".join([*lines, "", "  ", ",", ""]).encode(),
        lambda lines: "\n".join('"' + line.replace(",", '","') + '"' for line in lines).encode(),
        lambda lines: "\n".join(line.replace(",", " , ") for line in lines).encode(),
        lambda lines: b"\xef\xbb\xbf" + _shuffled(lines).replace(b",", b"\t") + b"\n\n",
    ],
    ids=["shuffled", "crlf", "bom", "tabs", "blank", "quoted", "spaced", "bom-tabs-shuffled"],
)
def test_how_a_file_was_saved_changes_nothing(
    saved: Callable[[list[str]], bytes],
    scores: Path,
    truth: Path,
    sections: list[Section],
) -> None:
    clean = read(scores, truth)[0]
    for path in [*scores.glob("*.csv"), *truth.rglob("*.csv")]:
        path.write_bytes(saved(path.read_text().splitlines()))
    [system] = read(scores, truth)
    same(system, sections)
    assert system.digest == clean.digest
    assert evaluate(system.sections, RULES["2022"]) == evaluate(clean.sections, RULES["2022"])


def test_one_folder_a_machine(scores: Path, truth: Path, sections: list[Section]) -> None:
    for path in list(scores.glob("*.csv")):
        machine = path.name.split("_")[2]
        (scores / machine).mkdir(exist_ok=True)
        path.rename(scores / machine / path.name)
    [system] = read(scores, truth)
    assert system.name == "ours"
    same(system, sections)
    same(read(scores.parent, truth)[0], sections)


def test_one_folder_a_system(
    tmp_path: Path, truth: Path, write_scores: Callable, sections: list[Section]
) -> None:
    for name in ("2", "1", "teams/we/best", "teams/we/second"):
        write_scores(tmp_path / "many" / name, sections)
    systems = read(tmp_path / "many", truth)
    assert [system.name for system in systems] == ["1", "2", "we/best", "we/second"]
    for system in systems:
        same(system, sections)
    chosen = read_systems(tmp_path / "many", read_truth(truth), ["2"])
    assert [system.name for system in chosen] == ["2"]
    with pytest.raises(UsageError, match=r"unknown system of .*many 'we/bets'.*we/best"):
        read_systems(tmp_path / "many", read_truth(truth), ["we/bets"])


def test_the_two_files_a_section_of_2021(
    scores: Path, truth: Path, sections: list[Section]
) -> None:
    fan = sections[0]
    for kind in ("anomaly_score", "decision_result"):
        path = scores / f"{kind}_fan_section_00_test.csv"
        lines = dict(zip(fan.names, path.read_text().splitlines(), strict=True))
        path.unlink()
        for domain in ("source", "target"):
            part = [lines[n] for n, d in zip(fan.names, fan.domains, strict=True) if d == domain]
            target = scores / f"{kind}_fan_section_00_{domain}_test.csv"
            target.write_text("\n".join(part))
    same(read(scores, truth)[0], sections)


def test_without_decisions(scores: Path, truth: Path) -> None:
    for path in scores.glob("decision_result_*"):
        path.unlink()
    [system] = read(scores, truth)
    assert all(section.decisions is None for section in system.sections)
    assert evaluate(system.sections, RULES["2022"]).sections[0].decisions == {}


CLIP = [f"section_00_{number:04d}.wav" for number in range(24)]
FAULTS = {
    "1 of 24 clips missing: section_00_0000.wav; add them": lambda lines: lines[1:],
    f"4 of 24 clips missing: {', '.join(CLIP[:3])}, ...; add them": lambda lines: lines[4:],
    f"line 25: clip '{CLIP[2]}' is also on line 3; keep one": lambda lines: [*lines, lines[2]],
    "line 25: clip 'other.wav' is not in the ground truth of fan section 00; remove it": (
        lambda lines: [*lines, "other.wav,0.5"]
    ),
    f"line 1: clip '{CLIP[0]}': score 'nan' is not finite": (
        lambda lines: [f"{CLIP[0]},nan", *lines[1:]]
    ),
    f"line 24: clip '{CLIP[23]}': score '-inf' is not finite": (
        lambda lines: [*lines[:23], f"{CLIP[23]},-inf"]
    ),
    f"line 1: clip '{CLIP[0]}': score 'high' is not a number": (
        lambda lines: [f"{CLIP[0]},high", *lines[1:]]
    ),
    f"line 1: clip '{CLIP[0]}': score '1_0' is not a number": (
        lambda lines: [f"{CLIP[0]},1_0", *lines[1:]]
    ),
    "line 1: a line is <clip name>,<value>; this one has 3 parts": (
        lambda lines: [f"{CLIP[0]},0.5,1", *lines[1:]]
    ),
    "line 2: a line is <clip name>,<value>; this one has 1 parts": (
        lambda lines: [lines[0], CLIP[1], *lines[2:]]
    ),
    "line 2: not CSV (unexpected end of data); write the file again": (
        lambda lines: [lines[0], '"' + lines[1], *lines[2:]]
    ),
    "it is empty; write it again": lambda lines: [],
}


@pytest.mark.parametrize("expected", FAULTS)
def test_a_fault_is_named_with_file_and_line(expected: str, scores: Path, truth: Path) -> None:
    path = scores / SCORES
    path.write_text("\n".join(FAULTS[expected](path.read_text().splitlines())))
    found = problem(scores, truth)
    assert found.startswith(str(path))
    assert found.removeprefix(str(path)).lstrip(":, ") == expected


def test_other_faults_of_files(scores: Path, truth: Path) -> None:
    path, decisions = scores / SCORES, scores / DECISIONS
    good, lines = path.read_bytes(), decisions.read_text().splitlines()
    path.write_bytes(good.decode().encode("utf-16"))
    assert problem(scores, truth).startswith(f"{path}: cannot be read: it is not UTF-8")
    path.write_bytes(good)
    decisions.write_text("\n".join([lines[0], f"{CLIP[1]},0.3", *lines[2:]]))
    expected = f"{decisions}, line 2: clip '{CLIP[1]}': '0.3' is neither 0 nor 1"
    assert problem(scores, truth) == expected
    decisions.write_text("\n".join(lines))
    copy = scores / "fan" / SCORES
    copy.parent.mkdir()
    copy.write_bytes(good.splitlines()[0])
    assert problem(scores, truth) == (
        f"{copy}, line 1: clip '{CLIP[0]}' is also in {path}, line 1; keep one"
    )
    copy.unlink()
    wrong = scores / "anomaly_scores_fan_00.csv"
    wrong.write_text("a.wav,1\n")
    assert problem(scores, truth).startswith(f"{wrong}: not named ")


@pytest.mark.parametrize("name", [SCORES, DECISIONS])
def test_a_missing_file_is_named(name: str, scores: Path, truth: Path) -> None:
    (scores / name).unlink()
    expected = f"{scores / name}: no such file; fan section 00 of the ground truth needs it"
    assert problem(scores, truth) == expected


def test_many_faults_are_collected_and_counted(scores: Path, truth: Path) -> None:
    path = scores / SCORES
    path.write_text(path.read_text().replace(",", ",x"))
    (scores / DECISIONS).unlink()
    with pytest.raises(JobError) as caught:
        read(scores, truth)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert [line.split(":")[0] for line in lines[:2]] == [f"{path}, line 1", f"{path}, line 2"]
    assert lines[-1] == "... and 15 more problems"


def test_sections_without_labels_are_listed(
    scores: Path,
    truth: Path,
    write_scores: Callable,
    make_section: Make,
    sections: list[Section],
) -> None:
    write_scores(scores, [make_section("valve", "03"), make_section("bearing", "00")])
    [system] = read(scores, truth)
    same(system, sections)
    assert system.unlabelled == (
        "bearing section 00: no ground truth",
        "valve section 03: no ground truth",
    )


def test_a_section_without_a_usable_clip_stops_nothing(
    scores: Path, truth: Path, sections: list[Section]
) -> None:
    known = read_truth(truth) | {("fan", "02"): Truth("fan", "02", {}, {}, unusable=7)}
    [system] = read_systems(scores, known)
    same(system, sections)
    assert system.unlabelled == ("fan section 02: none of its 7 test clips is usable",)
    assert system.unusable == 7


def test_no_folder_or_nothing_in_it(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read(tmp_path / "absent", truth)
    with pytest.raises(UsageError, match="no anomaly_score_"):
        read(truth, truth)
