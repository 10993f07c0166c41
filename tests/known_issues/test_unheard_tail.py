"""What a recording held after its first clip went unheard, up to twice the length of a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.detection import Detector


@pytest.mark.parametrize("share", [1.02, 1.5, 1.97, 2.0, 2.3])
def test_a_fault_at_the_end_is_found(share: float, tiny_template: Path) -> None:
    detector = Detector(tiny_template, "pump", "spread")
    length, rate = detector.signal.length, detector.signal.sample_rate
    wave, _ = soundfile.read(tiny_template / "raw/pump/id_00/test/normal/00_09.wav")
    normal = np.resize(wave, round(share * length))
    faulty = normal.copy()
    tail = len(faulty) - length
    faulty[-tail:] += 0.5 * np.sin(2 * np.pi * 3100 * np.arange(tail) / rate)
    found = detector.predictions([normal, faulty], section="00")
    assert found[1].score > 1.02 * found[0].score
    assert round(found[1].start * rate) == len(faulty) - length
