"""`asd predict` as a user calls it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asd.detection.arrivals import arrivals

Asd = Callable[..., Any]
NORMAL, ODD = "raw/pump/id_00/test/normal", "raw/pump/id_00/test/anomaly"


@pytest.fixture
def project(tiny_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tiny_template)
    return tiny_template


def test_a_table(project: Path, asd: Asd) -> None:
    done = asd("predict", "--machine", "pump", "--section", "00", NORMAL, ODD)
    assert done.code == 0
    head, *rows, last = done.out.splitlines()
    assert head.split() == ["recording", "score", "p", "nearest", "training", "clip"]
    assert [row.split()[3] for row in rows] == ["normal", "normal", "anomalous", "anomalous"]
    assert {row.index(row.split()[4]) for row in rows} == {head.index("nearest")}
    assert last.startswith("pump, system cosine: 4 recordings, 2 anomalous (threshold ")


def test_scores_are_those_of_asd_score(project: Path, asd: Asd) -> None:
    done = asd("predict", "--section", "00", NORMAL, ODD, "--json")
    path = project / "data/scores/cosine/anomaly_score_pump_section_00_test.csv"
    expected = {name: float(score) for name, score in csv.reader(path.open())}
    rows = json.loads(done.out)
    assert {Path(row["name"]).name: row["score"] for row in rows} == expected


def test_csv_and_sections(project: Path, asd: Asd) -> None:
    done = asd("predict", NORMAL, "raw/pump/id_02/test/normal", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["section"] for row in rows] == ["00", "00", "02", "02"]
    assert "section" in asd("predict", NORMAL).out.splitlines()[0]


def test_exit_codes(project: Path, asd: Asd) -> None:
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


def test_bad_recordings_get_a_line_each(project: Path, asd: Asd, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "empty").mkdir()
    good = f"{NORMAL}/00_09.wav"
    done = asd("predict", tmp_path / "bad.wav", "missing.wav", tmp_path / "empty", good)
    assert done.code == 1
    assert len(done.err.splitlines()) == 3
    assert "bad.wav: not a WAV" in done.err
    assert "00_09.wav" in done.out


def test_paths_from_standard_input(
    project: Path, asd: Asd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NORMAL}/00_09.wav\n\n{ODD}/00_11.wav\n"))
    rows = json.loads(asd("predict", "-", "--json").out)
    assert [row["name"] for row in rows] == [f"{NORMAL}/00_09.wav", f"{ODD}/00_11.wav"]


def test_watching(project: Path, asd: Asd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = iter(
        [
            lambda: shutil.copy(f"{ODD}/00_11.wav", tmp_path / "a.wav"),
            lambda: (tmp_path / "b.wav").write_bytes(b"cut short"),
            lambda: None,
        ]
    )

    def look(seconds: float) -> None:
        try:
            next(steps)()
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("asd.detection.arrivals.arrivals", partial(arrivals, wait=look))
    done = asd("predict", "--watch", tmp_path, "--json", "--fail-on-anomaly", "--section", "00")
    assert done.code == 3
    (row,) = map(json.loads, done.out.splitlines())
    assert (Path(row["name"]).name, row["anomalous"]) == ("a.wav", True)
    assert "b.wav: not a WAV" in done.err


def test_pictures(project: Path, asd: Asd, tmp_path: Path) -> None:
    done = asd("predict", f"{ODD}/00_11.wav", "--explain", tmp_path / "pictures")
    assert done.code == 0
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.name.endswith("anomaly_00_11.wav.png")
