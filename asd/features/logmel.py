"""Log-mel spectrograms (paper section II-A, Eq. 1), with torchaudio."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import Extractor
from asd.native import import_torchaudio


class LogMelConfig(Settings):
    """Settings of the log-mel; defaults are the paper's, where it gives them.

    Attributes:
        n_fft: points of the Fourier transform; also the length of the Hann window.
        hop: samples between frames.
        mels: mel bands, F.
        f_min: lowest frequency in Hz.
        f_max: highest frequency in Hz; half the sample rate if not given.
        mel_scale: ``"slaney"`` or ``"htk"``.
        norm: ``"slaney"`` for bands of equal area, or nothing for bands of equal height.
        center: whether frame k is centred at sample k * hop.
        pad_mode: how the ends are padded when frames are centred.
        power: exponent of the magnitude; 2 for power, as in Eq. 1.
        log: ``"db"`` for 10 log10, ``"ln"`` for the natural logarithm.
        floor: smallest value before the logarithm.
    """

    n_fft: Positive = 1024
    hop: Positive = 512
    mels: Positive = 128
    f_min: Annotated[float, Field(ge=0)] = 0.0
    f_max: float | None = None
    mel_scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    center: bool = True
    pad_mode: Literal["reflect", "constant"] = "reflect"
    power: Annotated[float, Field(gt=0)] = 2.0
    log: Literal["db", "ln"] = "db"
    floor: Annotated[float, Field(gt=0)] = 1e-10


class LogMel(Extractor):
    """Log-mel spectrograms: rows (F, T) float16.

    T is 1 + L // hop for centred frames, 1 + (L - n_fft) // hop otherwise. Waves are scaled to
    [-1, 1) before the transform.

    Raises:
        UsageError: clips too short for one frame, or bands beyond half the sample rate.
    """

    name: ClassVar[str] = "logmel"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = LogMelConfig
    batch_size = 16

    def __init__(self, config: LogMelConfig, signal: Signal) -> None:
        super().__init__(config, signal)
        shortest = config.n_fft // 2 + 1 if config.center else config.n_fft
        if signal.length < shortest:
            raise UsageError(
                f"clips of {signal.length} samples are too short for n_fft {config.n_fft}:"
                f" the log-mel needs {shortest}; lower features.logmel.n_fft"
            )
        highest = config.f_max if config.f_max is not None else signal.sample_rate / 2
        if not config.f_min < highest <= signal.sample_rate / 2:
            raise UsageError(
                f"features.logmel: bands from {config.f_min} to {highest} Hz do not lie in"
                f" 0 to {signal.sample_rate / 2} Hz"
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(F, T)."""
        length, config = self.signal.length, self.config
        frames = length if config.center else length - config.n_fft
        return (config.mels, 1 + frames // config.hop)

    @property
    def dtype(self) -> np.dtype:
        """float16."""
        return np.dtype(np.float16)

    @cached_property
    def _transform(self) -> Any:
        import_torchaudio()
        from torchaudio.transforms import MelSpectrogram

        config = self.config
        return MelSpectrogram(
            sample_rate=self.signal.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop,
            f_min=config.f_min,
            f_max=config.f_max,
            n_mels=config.mels,
            power=config.power,
            norm=config.norm,
            mel_scale=config.mel_scale,
            center=config.center,
            pad_mode=config.pad_mode,
        )

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute log-mels (B, F, T) float16 of ``waves`` (B, L) int16."""
        import torch

        with torch.inference_mode():
            samples = torch.from_numpy(waves).to(torch.float32).div_(32768.0)
            mel = self._transform(samples).clamp_(min=self.config.floor)
            logged = mel.log10_().mul_(10.0) if self.config.log == "db" else mel.log_()
            return logged.to(torch.float16).numpy()
