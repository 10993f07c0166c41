"""Closed standard streams were tracebacks, and a full disk behind ``> file`` had no name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from asd.cli import main; main()"
SOUND = "raw/pump/id_00/test/normal/00_09.wav"


def _run(root: Path, shell: str) -> tuple[int, str]:
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["sh", "-c", shell.replace("asd", f"{sys.executable} -c '{CODE}'", 1)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"asd predict --section 00 {SOUND} <&- >&- 2>&-", 0),
        ("asd watch - --rate 8000 <&-", 0),
        ("asd predict --section 00 - <&-", 0),
        ("asd status >&-", 0),
        ("asd train --model mel <&- >&- 2>&-", 0),
    ],
)
def test_a_closed_stream_is_one_of_nothing(tiny: Path, command: str, code: int) -> None:
    found, err = _run(tiny, command)
    assert found == code, err
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("form", ["", " --json", " --csv"])
def test_a_full_disk_behind_the_output_is_named(tiny: Path, form: str) -> None:
    code, err = _run(tiny, f"asd predict --section 00 {SOUND}{form} > /dev/full")
    assert code == 1
    assert err == "asd: standard output: cannot be written: No space left on device\n"
