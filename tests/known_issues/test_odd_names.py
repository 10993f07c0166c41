"""A recording whose name has dollars or is not UTF-8 could not be explained: a traceback.

A name with a line end tore the row of a prediction.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asd.cli.prediction_output import printer
from asd.detection import Detector

NORMAL = "raw/pump/id_00/test/normal/00_09.wav"


@pytest.mark.parametrize("name", [rb"a$\frac{b$c.wav", b"\xff.wav", b"line\nend.wav"])
def test_they_are_drawn_and_printed(
    tiny: Path, capsys: pytest.CaptureFixture[str], name: bytes
) -> None:
    sound = Path(os.fsdecode(os.fsencode(tiny) + b"/" + name))
    (tiny / NORMAL).rename(sound)
    found = Detector(tiny, "pump", "cosine").explain(sound, "00")
    assert found.write(tiny / "why.png").stat().st_size
    table = printer("table", [str(sound)], 1)
    table.one(found.prediction)
    printed = capsys.readouterr().out
    assert printed.encode()
    head, row = printed.splitlines()
    score = f" {found.prediction.score:.4f} "
    assert head.index("score ") + len("score ") == row.index(score) + len(score)
