"""Magnitude spectrograms: every bin of the short-time Fourier transform, on no scale of hearing."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import Extractor


class SpectrogramConfig(Settings):
    """Settings of the spectrogram; defaults are those of the DCASE 2022 system of Wilkinghoff.

    Attributes:
        n_fft: points of the Fourier transform; also the length of the Hann window.
        hop: samples between frames.
        f_min: lowest frequency in Hz that is kept.
        f_max: highest frequency in Hz; half the sample rate if not given.
    """

    n_fft: Annotated[int, Field(ge=2)] = 1024
    hop: Positive = 512
    f_min: Annotated[float, Field(ge=0)] = 200.0
    f_max: float | None = None


class Spectrogram(Extractor):
    """The magnitude of the short-time Fourier transform: rows (F, T) float16.

    F are the bins from ``f_min`` to ``f_max``, both included, T is 1 + L // hop: frame k is centred
    at sample k * hop, the ends are reflected. Waves are scaled to [-1, 1), the transform by the
    root of the window's energy, so that noise has magnitudes of its own deviation at every
    resolution and float16 holds a tone at full scale as well as what rounding to 16 bits leaves.

    Raises:
        UsageError: clips too short for the transform, or no bin between the frequencies.
    """

    name: ClassVar[str] = "spectrogram"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = SpectrogramConfig

    def __init__(self, config: SpectrogramConfig, signal: Signal) -> None:
        super().__init__(config, signal)
        shortest = config.n_fft // 2 + 1
        if signal.length < shortest:
            raise UsageError(
                f"clips of {signal.length} samples are too short for n_fft {config.n_fft}:"
                f" the spectrogram needs {shortest}; lower the feature's n_fft"
            )
        half = signal.sample_rate / 2
        highest = half if config.f_max is None else config.f_max
        spacing = signal.sample_rate / config.n_fft
        first, last = math.ceil(config.f_min / spacing), math.floor(highest / spacing)
        if highest > half or first > last:
            raise UsageError(
                f"the spectrogram has no bins from {config.f_min} to {highest} Hz: they lie"
                f" {spacing:g} Hz apart in 0 to {half:g} Hz; change the feature's f_min and f_max"
            )
        self._bins = slice(first, last + 1)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(F, T)."""
        return (self._bins.stop - self._bins.start, 1 + self.signal.length // self.config.hop)

    @cached_property
    def _window(self) -> Any:
        import torch

        window = torch.hann_window(self.config.n_fft)
        return window / window.square().sum().sqrt()

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute spectrograms (B, F, T) float16 of ``waves`` (B, L) int16."""
        import torch

        config = self.config
        with torch.inference_mode():
            samples = torch.from_numpy(waves).to(torch.float32).div_(32768.0)
            transform = torch.stft(
                samples,
                config.n_fft,
                config.hop,
                window=self._window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            return transform[:, self._bins].abs().to(torch.float16).numpy()
