"""`asd predict` as a user calls it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

NORMAL, ODD = "raw/pump/id_00/test/normal", "raw/pump/id_00/test/anomaly"


def test_a_table(project: Path, asd: Callable) -> None:
    done = asd("predict", "--machine", "pump", "--section", "00", NORMAL, ODD)
    assert done.code == 0
    head, *rows, last = done.out.splitlines()
    assert head.split() == ["recording", "score", "threshold", "p", "reason"]
    words = [next(word for word in row.split() if word in ("normal", "anomalous")) for row in rows]
    assert words == ["normal", "normal", "anomalous", "anomalous"]
    assert len({row.split()[2] for row in rows}) == 1
    assert last == "pump, system cosine: 4 recordings, 2 anomalous"


def test_a_row_says_why(project: Path, asd: Callable) -> None:
    """The added tone is at 3.1 kHz; p is at the least that 9 training clips tell of."""
    normal, odd = asd("predict", "--section", "00", f"{NORMAL}/00_09.wav", ODD).out.splitlines()[
        1:3
    ]
    why = odd[odd.index("anomalous") :].removeprefix("anomalous").strip()
    low, high = float(why.split()[0]), float(why.split()[2])
    assert why.split()[1:4:2] == ["to", "kHz,"]
    assert low < 3.1 < high
    assert "dB above normal, throughout" in why
    assert "< 0.100  anomalous" in odd
    assert " normal     like 00_0" in normal
    assert "<" not in normal


def test_windows_are_taken_as_they_are_named(project: Path, asd: Callable) -> None:
    waves = [soundfile.read(path)[0] for path in (f"{NORMAL}/00_09.wav", f"{ODD}/00_11.wav")]
    soundfile.write("long.wav", np.concatenate([*waves, waves[0]]), 8000, "PCM_16")
    (whole,) = json.loads(asd("predict", "--section", "00", "long.wav", "--json").out)
    assert (whole["windows"], whole["start"]) == (3, 0.512)
    name = f"long.wav#t={whole['start']:g}"
    (window,) = json.loads(asd("predict", "--section", "00", name, "--json").out)
    assert (window["name"], window["windows"], window["score"]) == (name, 1, whole["score"])
    assert "from 0.512 s on" in asd("predict", "--section", "00", "long.wav").out
    assert asd("explain", "--section", "00", name, "--out", "why.svg").code == 0
    assert Path("why.svg").read_text().startswith("<?xml")
    done = asd("predict", "long.wav#t=7")
    assert (done.code, done.err) == (1, "asd: long.wav#t=7: the recording ends at 1.536 s\n")
    assert asd("predict", "gone.wav#t=7").code == 2


def test_a_file_for_the_table_is_pointed_to_the_shell(project: Path, asd: Callable) -> None:
    done = asd("predict", NORMAL, "--csv", "scores.csv")
    assert (done.code, "add '> scores.csv'" in done.err) == (2, True)


def test_scores_are_those_of_asd_score(
    project: Path, asd: Callable, scores_of: Callable[..., dict[str, float]]
) -> None:
    done = asd("predict", "--section", "00", NORMAL, ODD, "--json")
    expected = scores_of(project, "cosine", "00")
    rows = json.loads(done.out)
    assert {Path(row["name"]).name: row["score"] for row in rows} == expected


def test_no_name_is_a_formula_of_a_spreadsheet(project: Path, asd: Callable) -> None:
    names = ["=1+1.wav", "+a.wav", "@c.wav"]
    for name in names:
        shutil.copy("raw/pump/id_00/test/normal/00_09.wav", name)
    done = asd("predict", "--section", "00", *names, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["name"] for row in rows] == [f"./{name}" for name in names]
    assert all(cell[:1] not in ("=", "+", "@") for row in rows for cell in row.values())


def test_csv_and_sections(project: Path, asd: Callable) -> None:
    done = asd("predict", NORMAL, "raw/pump/id_02/test/normal", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["section"] for row in rows] == ["00", "00", "02", "02"]
    assert "section" in asd("predict", NORMAL).out.splitlines()[0]


def test_exit_codes(project: Path, asd: Callable) -> None:
    assert asd("predict", "--section", "00", ODD).code == 0
    assert asd("predict", "--section", "00", ODD, "--fail-on-anomaly").code == 3
    assert asd("predict", "--section", "00", NORMAL, "--fail-on-anomaly").code == 0
    for wrong in (
        (),
        ("--machine", "pmp", NORMAL),
        ("--system", "9", NORMAL),
        ("--section", "07", NORMAL),
        ("--json", "--csv", NORMAL),
    ):
        done = asd("predict", *wrong)
        assert done.code == 2
        assert len(done.err.splitlines()) == 1


def _bad_recordings(folder: Path) -> dict[str, str]:
    """Write a recording of each kind that cannot be used; return what is to be said of each."""
    whole = (Path(NORMAL) / "00_09.wav").read_bytes()
    noise = np.random.default_rng(0).normal(scale=0.1, size=8000)
    (folder / "zero.wav").touch()
    (folder / "text.wav").write_text("It ran well all day.")
    (folder / "cut.wav").write_bytes(whole[:3000])
    (folder / "header.wav").write_bytes(whole[:44])
    soundfile.write(folder / "nan.wav", np.where(noise > 0.3, np.nan, noise), 8000, "FLOAT")
    soundfile.write(folder / "many.wav", np.repeat(noise[:, None], 100, axis=1), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 8000)
    (folder / "empty").mkdir()
    return {
        "zero.wav": "not a WAV, FLAC, OGG or MP3 recording",
        "text.wav": "not a WAV, FLAC, OGG or MP3 recording",
        "cut.wav": "cut short: the header promises",
        "header.wav": "cut short: the header promises",
        "nan.wav": "NaN or infinite samples",
        "many.wav": "too many channels: 100, more than 32; raise index.max_channels",
        "silent.wav": "silent: all samples are equal",
        "empty": "no WAV, FLAC, OGG or MP3 recordings in it",
        "gone.wav": "no such file or folder",
    }


def test_bad_recordings_get_a_line_each(project: Path, asd: Callable, tmp_path: Path) -> None:
    bad = _bad_recordings(tmp_path)
    done = asd("predict", *(tmp_path / name for name in bad), f"{NORMAL}/00_09.wav")
    assert done.code == 1
    lines = done.err.splitlines()
    assert len(lines) == len(bad)
    for name, why in bad.items():
        (line,) = (line for line in lines if line.startswith(f"asd: {tmp_path / name}: "))
        assert why in line
    assert "00_09.wav" in done.out
    odd = tmp_path / "odd" / "two\nlines.wav"
    odd.parent.mkdir()
    odd.write_bytes(b"")
    (line,) = asd("predict", odd.parent).err.splitlines()
    assert line.endswith(r"two\nlines.wav: unprintable name: rename the file or its folder")


def test_names_of_nothing_are_wrong_use(project: Path, asd: Callable, tmp_path: Path) -> None:
    """The others are scored all the same; anything else that is wrong makes it a failed job."""
    good = f"{NORMAL}/00_09.wav"
    assert asd("predict", "gone.wav").code == 2
    done = asd("predict", "gone.wav", good, "--json")
    assert (done.code, len(json.loads(done.out))) == (2, 1)
    (tmp_path / "zero.wav").touch()
    assert asd("predict", "gone.wav", tmp_path / "zero.wav").code == 1
    assert asd("predict", "gone.wav", "--json").out == "[]\n"


def test_quiet_leaves_the_results(project: Path, asd: Callable) -> None:
    loud = asd("predict", NORMAL).out.splitlines()
    assert asd("-q", "predict", NORMAL).out.splitlines() == loud[:-1]


def test_paths_from_standard_input(
    project: Path, asd: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NORMAL}/00_09.wav\n\n{ODD}/00_11.wav\n"))
    rows = json.loads(asd("predict", "-", "--json").out)
    assert [row["name"] for row in rows] == [f"{NORMAL}/00_09.wav", f"{ODD}/00_11.wav"]


def test_pictures(project: Path, asd: Callable, tmp_path: Path) -> None:
    done = asd("predict", f"{ODD}/00_11.wav", "--explain", tmp_path / "pictures")
    assert done.code == 0
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name.endswith("anomaly_00_11.wav.png")
