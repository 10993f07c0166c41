"""`asd -q extract` printed notes all the same: threads that compute did not know it was quiet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd.clips.record import read_index
from asd.extraction import compute_here, machine_signal
from asd.features import EXTRACTORS, build_extractor
from asd.features.wave import Wave
from asd.progress import NORMAL, QUIET, note, set_verbosity


@pytest.mark.parametrize("level", [QUIET, NORMAL])
@pytest.mark.parametrize("alone", [True, False], ids=["lanes", "one after the other"])
def test_what_computes_knows_how_much_to_say(
    tiny_template: Path,
    level: int,
    alone: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def compute(self: Any, waves: np.ndarray) -> np.ndarray:
        note(f"{level} {alone} of this test alone")
        return waves

    monkeypatch.setattr(Wave, "__call__", compute)
    monkeypatch.setattr(Wave, "on_one_thread", alone)
    clips = read_index(tiny_template / "data/index/pump.csv")
    signal = machine_signal(clips, 8000, 0)
    extractor = build_extractor(EXTRACTORS, "wave", {}, signal)
    set_verbosity(level)
    try:
        for _ in compute_here(tiny_template / "raw", extractor)(clips, np.arange(3)):
            pass
    finally:
        set_verbosity(NORMAL)
    assert bool(capsys.readouterr().err) == (level == NORMAL)
