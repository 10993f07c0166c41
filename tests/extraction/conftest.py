"""Recordings for the tests of extraction."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asd.clips.audio import Signal
from asd.digest import sha256_bytes
from tests.made import a_clip

RATE, LENGTH = 16000, 4000
SIGNAL = Signal(sample_rate=RATE, length=LENGTH, channel=0)


@pytest.fixture
def clips(tmp_path):
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
                a_clip(
                    path,
                    RATE,
                    LENGTH,
                    section=section,
                    split=split,
                    attributes="speed=1",
                    digest=sha256_bytes((tmp_path / "raw" / path).read_bytes()),
                )
            )
    made[0] = replace(made[0], status="silent", length=0)
    return made
