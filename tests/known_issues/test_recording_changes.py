"""A recording that changed while it was read got the digest of other sound, or half was scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asd.detection import Detector, recording
from asd.detection.recording import read_recording
from asd.errors import JobError

NORMAL = "raw/pump/id_00/test/normal/00_09.wav"
ODD = "raw/pump/id_00/test/anomaly/00_11.wav"


@pytest.mark.parametrize("what", ["replaced", "grown", "cut"])
def test_a_recording_that_changes_while_it_is_read_is_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    detector, path, read = Detector(tiny, "pump"), tiny / NORMAL, recording.read_samples

    def disturbed(*given: object) -> object:
        if what == "replaced":
            shutil.copy(tiny / ODD, tiny / "new.wav")
            (tiny / "new.wav").replace(path)
        elif what == "grown":
            with path.open("ab") as file:
                file.write(bytes(4000))
        else:
            with path.open("r+b") as file:
                file.truncate(3000)
        return read(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(recording, "read_samples", disturbed)
        with pytest.raises(JobError, match=r"00_09\.wav: changed while it was read"):
            read_recording(path, detector.signal, detector.limits)
