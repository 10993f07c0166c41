"""What was decided or passed over without a word: sections, rules, names."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from asd.cli import cli
from asd.detection import Detector
from asd.detection.arrivals import arrivals
from asd.workspace import PARAMS
from tests.made import run_verbs

SOUND = "raw/pump/id_00/test/normal/00_09.wav"


def test_a_recording_of_a_section_that_is_not_trained(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was judged by another section."""
    (tiny / "new/id_07").mkdir(parents=True)
    sounds = [tiny / "new" / name for name in ("section_05_0000.wav", "id_07/a.wav", "b.wav")]
    for path in sounds:
        shutil.copy(tiny / SOUND, path)
    detector = Detector(tiny, "pump")
    detector.predictions(sounds, section="00")
    assert not capsys.readouterr().err
    detector.predictions(sounds)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in said] == [
        "note: pump: no training clips of section 05",
        "note: pump: no training clips of section 07",
    ]
    assert said[0].endswith("judged by 00, 02")


def test_rules_of_2020_on_recordings_with_domains(
    tmp_path: Path, tiny_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = (tiny_template / PARAMS).read_text().split("systems:")[0]
    params += "systems: {spread: {model: mel, scorer: cosine}}\n"
    (tmp_path / "pipeline").mkdir()
    (tmp_path / PARAMS).write_text(params)
    sounds = sorted((tiny_template / "raw/pump/id_00").rglob("*.wav"))
    for number, sound in enumerate(sounds):
        split = "train" if "train" in sound.parts else "test"
        domain = ("source", "target")[number % 2]
        label = "anomaly" if "anomaly" in sound.parts else "normal"
        name = f"section_00_{domain}_{split}_{label}_{number:04d}.wav"
        (tmp_path / "raw/pump" / split).mkdir(parents=True, exist_ok=True)
        shutil.copy(sound, tmp_path / "raw/pump" / split / name)
    run_verbs(tmp_path, "index", "extract", "train --model mel", "embed --model mel", "score")
    capsys.readouterr()
    with chdir(tmp_path):
        cli.main(["evaluate", "--rules", "2022"], standalone_mode=False)
        assert "domains" not in capsys.readouterr().err
        cli.main(["evaluate"], standalone_mode=False)
    assert "the rules of 2020 know no domains" in capsys.readouterr().err


def test_a_name_that_is_not_read_is_told_by_a_watch(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny / "in"
    folder.mkdir()
    source = arrivals(folder, existing=True, wait=lambda seconds: None)
    assert next(source) is None
    shutil.copy(tiny / SOUND, folder / "a\nb.wav")
    assert [next(source) for _ in range(3)] == [None] * 3
    assert capsys.readouterr().err == (
        f"note: {folder}/a\\nb.wav: unprintable name: rename the file or its folder;"
        " it is not scored\n"
    )
