"""`asd explain` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

ODD = "raw/pump/id_00/test/anomaly/00_11.wav"


def test_a_picture_and_its_numbers(project: Path, asd: Callable, tmp_path: Path) -> None:
    picture = tmp_path / "odd.png"
    done = asd("explain", "--machine", "pump", ODD, "--section", "00", "--out", picture, "--json")
    assert done.code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    (row,) = json.loads(done.out)
    assert row["anomalous"]
    assert row["normal_clip"].startswith("00_")
    assert len(row["drops"]) == len(row["hertz"]) - 1


def test_what_cannot_be_read(project: Path, asd: Callable, tmp_path: Path) -> None:
    done = asd("explain", "missing.wav", "--out", tmp_path / "a.png")
    assert done.code == 2
    assert done.err == "asd: missing.wav: no such file or folder\n"
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    done = asd("explain", tmp_path / "bad.wav", "--out", tmp_path / "a.png")
    assert done.code == 1
    assert "bad.wav: not a WAV" in done.err
    assert not (tmp_path / "a.png").exists()
