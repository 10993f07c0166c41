"""A named pipe among recordings, or in the place of one, held up `init` and `verify` for ever.

DVC cannot hold one, nor a link to nothing, and nobody said so before `dvc repro` failed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from asd.clips.decoding import UnusableError, open_sound
from asd.clips.scan import find_recordings
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
    pipe, link = (tiny / "raw/pump/id_00/train" / name for name in ("pipe.wav", "link.m4a"))
    os.mkfifo(pipe)
    with pytest.raises(UnusableError, match="not a file"):
        open_sound(pipe)
    link.symlink_to("nothing")
    problems = [found.problem for found in find_recordings(tiny / "raw/pump") if found.problem]
    assert problems == ["not a file: DVC cannot hold it; remove it"] * 2
    assert suggest(tiny / "raw", ["pump"], IndexConfig(), pytest.fail) == {}


def test_it_is_not_what_was_indexed(tiny: Path) -> None:
    sound = tiny / "raw/pump/id_00/train/00_03.wav"
    sound.unlink()
    os.mkfifo(sound)
    found = verify.run(Workspace.at(tiny), deep=True)
    assert [one.path for one in found.damaged] == [sound]
