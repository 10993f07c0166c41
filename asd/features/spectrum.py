"""The magnitude spectrum of a whole clip."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from asd.clips.audio import Signal
from asd.errors import UsageError
from asd.features.base import Extractor


class Spectrum(Extractor):
    """The magnitude of the Fourier transform of a clip: rows (bins,) float16.

    There is nothing to set: the resolution is that of the clip's length. The bins are those above
    0 Hz up to half the sample rate, L // 2 of them, 1 / seconds apart:
    80,000 for 10 s at 16 kHz. What lies at 0 Hz is the offset of a microphone.

    Waves are scaled to [-1, 1) and the transform by 1 / sqrt(L). Noise then has magnitudes of its
    own deviation, whatever the length of the clip, and a tone at full scale sqrt(L) / 2, or 200:
    float16 holds the one and the other, and the steps of its smallest numbers, 6e-8, are a
    hundredth of what rounding to 16 bits adds to a recording (9e-6). Unscaled, a loud tone would
    overflow (80,000 > 65,504).

    Raises:
        UsageError: clips of one sample have no such bin.
    """

    name: ClassVar[str] = "spectrum"
    version: ClassVar[int] = 1

    def __init__(self, config: Any, signal: Signal) -> None:
        super().__init__(config, signal)
        if signal.length < 2:
            raise UsageError(
                f"clips of {signal.length} sample have no spectrum; raise index.seconds"
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(bins,)."""
        return (self.signal.length // 2,)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute spectra (B, bins) float16 of ``waves`` (B, L) int16."""
        import torch

        with torch.inference_mode():
            samples = torch.from_numpy(waves).to(torch.float32).div_(32768.0)
            magnitudes = torch.fft.rfft(samples)[:, 1:].abs()
            scaled = magnitudes.div_(math.sqrt(self.signal.length))
            return scaled.to(torch.float16).numpy()
