"""Recordings of a machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., bytes]:
    """Write noise, another for each path, below the folder of the machine ``fan`` or of another."""

    def write(
        place: str, samples: int = 1600, rate: int = 16000, channels: int = 1, **kind: str
    ) -> bytes:
        path = tmp_path / kind.pop("machine", "fan") / place
        path.parent.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(list(place.encode()))
        noise = generator.integers(-9000, 9000, (samples, channels), dtype=np.int16)
        soundfile.write(path, noise, rate, **kind)
        return path.read_bytes()

    return write
