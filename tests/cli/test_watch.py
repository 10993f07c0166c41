"""`asd watch` and `asd export` as a user calls them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
ODD = "raw/pump/id_00/test/anomaly/00_11.wav"


def start(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "asd", "watch", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def until(found: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is there."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


def rows(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_folder_day_and_night(project: Path) -> None:
    """From the first recording to SIGTERM, with a folder that is deleted, and a message."""
    folder, log, got = Path("incoming"), Path("pump.jsonl"), Path("got")
    folder.mkdir()
    shutil.copy(NORMAL, folder / "old.wav")
    process = start(
        "--machine", "pump", "--section", "00", "incoming", "--log", str(log), "--settle", "0",
        "--on-alarm", f"cat >> {got}", "--existing",
    )  # fmt: skip
    try:
        until(lambda: rows(log))
        shutil.rmtree(folder)
        time.sleep(1.5)
        folder.mkdir()
        (folder / "half.wav").write_bytes(Path(ODD).read_bytes()[:3000])
        shutil.copy(ODD, folder / "odd.wav")
        until(lambda: got.exists() and got.read_text().endswith("}\n"))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    decisions = {Path(row["recording"]).name: row["decision"] for row in rows(log)}
    assert decisions == {"old.wav": "normal", "half.wav": "unusable", "odd.wav": "anomalous"}
    message = json.loads(got.read_text())
    assert (message["state"], Path(message["recording"]).name) == ("alarm", "odd.wav")
    assert "ALARM" in out.decode()
    assert err.decode().startswith("watching incoming; Ctrl-C ends")


def test_a_pipe_is_a_live_input(project: Path, asd: Callable) -> None:
    """With an exported detector, outside of any workspace."""
    assert asd("export", "--machine", "pump", "pump.asd").code == 0
    Path("else").mkdir()
    shutil.move("pump.asd", "else/pump.asd")
    shutil.rmtree("data")
    waves = [soundfile.read(one, dtype="int16")[0] for one in (NORMAL, ODD)]
    process = start(
        "-", "--detector", "pump.asd", "--section", "00", "--rate", "8000", "--json",
        stdin=subprocess.PIPE, cwd="else",
    )  # fmt: skip
    out, err = process.communicate(b"".join(wave.tobytes() for wave in waves), timeout=120)
    assert process.returncode == 0, err
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert [(row["recording"], row["event"], row["state"]) for row in found] == [
        ("-#t=0", "recording", "normal"),
        ("-#t=0.512", "recording", "alarm"),
        ("-#t=0.512", "state", "alarm"),
    ]


def test_an_export_is_used_by_predict_and_explain(project: Path, asd: Callable) -> None:
    expected = json.loads(asd("predict", "--section", "00", NORMAL, ODD, "--json").out)
    done = asd("export", "--machine", "pump", "pump.asd")
    assert done.code == 0
    assert done.out.startswith("pump, system cosine -> pump.asd (")
    assert "18 normal clips as sound); it predicts the same for 20 clips" in done.out
    shutil.rmtree("data")
    shutil.rmtree("pipeline")
    done = asd("predict", "--detector", "pump.asd", "--section", "00", NORMAL, ODD, "--json")
    assert json.loads(done.out) == expected
    done = asd("explain", "--detector", "pump.asd", "--section", "00", ODD, "--out", "why.png")
    assert done.code == 0
    assert Path("why.png").stat().st_size > 10_000


@pytest.fixture
def waiting() -> Iterator[None]:
    """A pipe of which nobody writes."""
    reader, writer = os.pipe()
    before = sys.stdin
    with os.fdopen(reader) as sys.stdin, os.fdopen(writer, "wb") as pipe:
        pipe.write(b"RIFF....WAVE")
        pipe.flush()
        yield
    sys.stdin = before


def test_wrong_use(project: Path, asd: Callable, waiting: None) -> None:
    for wrong, text in (
        (("watch", "gone"), "gone: no such folder"),
        (("watch", "-"), "-: give --rate"),
        (("watch", "raw", "--alarm", "3/2"), "--alarm 3/2: give K/N"),
        (("watch", "raw", "--section", "07"), "unknown section '07'"),
        (("watch", "-", "--rate", "8000", "--machine", "pump"), "arecord -t raw"),
        (("export", "pump.zip"), "pump.asd"),
        (("predict", "--detector", "gone.asd", NORMAL), "gone.asd"),
        (("explain", ODD, "--out", "why.gif"), "why.gif: a picture is one of .png, .svg, .pdf"),
    ):
        done = asd(*wrong)
        assert done.code == 2, (wrong, done)
        assert text in done.err
