"""Recordings for the tests of extraction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.clips.audio import Signal
from asd.clips.record import Clip
from asd.digest import sha256_bytes

RATE, LENGTH = 16000, 4000


@pytest.fixture
def signal() -> Signal:
    return Signal(sample_rate=RATE, length=LENGTH, channel=0)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Two sections of 21 training clips and 3 test clips, one of them not usable."""
    random = np.random.default_rng(0)
    made = []
    for section in ("00", "01"):
        for i in range(24):
            split = "train" if i < 21 else "test"
            path = f"fan/{split}/section_{section}_source_{split}_normal_{i:04d}.wav"
            (tmp_path / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
            wave = random.integers(-9000, 9000, LENGTH).astype(np.int16)
            soundfile.write(tmp_path / "raw" / path, wave, RATE)
            made.append(
                Clip(
                    path=path,
                    name=Path(path).name,
                    recording=Path(path).name,
                    machine="fan",
                    section=section,
                    domain="source",
                    split=split,
                    label="normal",
                    attributes="speed=1",
                    sample_rate=RATE,
                    channels=1,
                    samples=LENGTH,
                    length=LENGTH,
                    treatment="",
                    digest=sha256_bytes((tmp_path / "raw" / path).read_bytes()),
                    status="ok",
                )
            )
    made[0] = replace(made[0], status="silent", length=0)
    return made
