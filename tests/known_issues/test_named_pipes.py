"""A named pipe among recordings, or in the place of one, held up `init` and `verify` for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from asd.clips.survey import suggest
from asd.config import IndexConfig
from asd.stages import verify
from asd.workspace import Workspace


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """End a test that is held up."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no named pipes")
    signal.alarm(20)
    yield
    signal.alarm(0)


def test_it_is_no_recording(tiny: Path) -> None:
    os.mkfifo(tiny / "raw/pump/id_00/train/00_99.wav")
    assert suggest(tiny / "raw", ["pump"], IndexConfig(), pytest.fail) == {}


def test_it_is_not_what_was_indexed(tiny: Path) -> None:
    sound = tiny / "raw/pump/id_00/train/00_03.wav"
    sound.unlink()
    os.mkfifo(sound)
    found = verify.run(Workspace.at(tiny), deep=True)
    assert [one.path for one in found.damaged] == [sound]
