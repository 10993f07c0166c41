"""A full folder of temporary files was a detector that is not whole: "export it again"."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from asd.detection import Detector
from asd.detection.export import export
from asd.detection.recording import write_sound
from asd.errors import JobError


def _full(path: Path, *_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_the_folder_is_named_and_the_way_out(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tiny / "pump.asd"
    export(Detector(tiny, "pump"), file, sounds=1)
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, target: _full(Path(target.name)))
    file.touch()  # another one, as far as what was unpacked already is kept
    with pytest.raises(JobError, match=r"unpacked: .*No space left on device; .*TMPDIR") as caught:
        Detector(file)
    assert "export it again" not in str(caught.value)


def test_a_fault_that_finds_no_space_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder said that a decoder does not begin."""
    import numpy as np

    monkeypatch.setattr(Path, "write_bytes", _full)
    with pytest.raises(OSError, match="No space left on device"):
        write_sound(tmp_path / "a.flac", np.zeros(4096, np.int16), 8000)
