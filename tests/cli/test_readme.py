"""The examples of the README's section on daily use, line by line."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

README = Path(__file__).resolve().parents[2] / "README.md"
NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
ODD = "raw/pump/id_00/test/anomaly"


def examples(language: str) -> list[str]:
    """Return the lines of a block of the section."""
    section = README.read_text(encoding="utf-8").partition("## In daily use\n")[2]
    (block, *_) = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return [line for line in block.splitlines() if line]


def test_each_example_runs(project: Path, asd: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(NORMAL, "new.wav")
    shutil.copy(f"{ODD}/00_11.wav", "tuesday.wav")
    shutil.copy(f"{ODD}/00_12.wav", "bearing.wav")
    odd, rate = soundfile.read("bearing.wav")
    soundfile.write("long.wav", np.tile(odd, 50), rate, "PCM_16")
    raw = (np.tile(odd, 8) * 2**15).astype("<i2").tobytes()
    verbs = []
    for line in examples("bash"):
        *_, command = line.split(" | ")
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(raw))))
        done = asd(*shlex.split(command, comments=True)[1:])
        assert done.code == 0, (line, done.err)
        verbs.append(command.split()[1])
    assert {"predict", "feedback", "threshold", "export", "watch"} <= set(verbs)
    assert Path("pump.asd").exists()
    assert len(Path("pump.jsonl").read_text().splitlines()) >= 3


def test_the_service_and_the_cron_line_are_commands() -> None:
    from asd.cli.predict import command as predict
    from asd.cli.watch import command as watch

    text = "\n".join(examples("ini"))
    (started,) = re.findall(r"^ExecStart=/usr/bin/env asd watch (.*)$", text, re.MULTILINE)
    (cron,) = re.findall(r"&& asd predict (.*?) \|\|", text)
    for verb, line in ((watch, started), (predict, cron)):
        verb.make_context(verb.name, shlex.split(line))
