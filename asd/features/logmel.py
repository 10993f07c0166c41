"""Log-mel spectrograms (paper section II-A, Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import Extractor
from asd.features.timing import Framing
from asd.native import import_torchaudio

if TYPE_CHECKING:
    import torch

    from asd.features.mel_filter import MelTransform


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
    version: ClassVar[int] = 2
    Config: ClassVar[type[Settings]] = LogMelConfig
    batch_size = 16
    on_one_thread = True

    def __init__(self, config: LogMelConfig, signal: Signal) -> None:
        super().__init__(config, signal)
        self._idle: list[MelTransform] = []
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
        return (self.config.mels, self._framing.frames)

    @property
    def dtype(self) -> np.dtype:
        """float16."""
        return np.dtype(np.float16)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute log-mels (B, F, T) float16 of ``waves`` (B, L) int16."""
        import torch

        from asd.features.threads import one_thread

        filters = self._filters
        rows = np.empty((len(waves), *self.row_shape), self.dtype)
        with one_thread(), self._borrowed(filters) as transform:
            transform(torch.from_numpy(waves), torch.from_numpy(rows))
        return rows

    def plain(self, waves: np.ndarray) -> np.ndarray:
        """Compute the same as a call with torchaudio's own transform, and more slowly.

        It is what a call is tested against: the values agree to the last bits of float32, unless
        they are the rounding noise of the transform itself.
        """
        import_torchaudio()
        import torch
        from torchaudio.transforms import MelSpectrogram

        config = self.config
        transform = MelSpectrogram(
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
        with torch.inference_mode():
            samples = torch.from_numpy(waves).to(torch.float32).div_(32768.0)
            mel = transform(samples).clamp_(min=config.floor)
            logarithm = mel.log10_().mul_(10.0) if config.log == "db" else mel.log_()
            return logarithm.to(torch.float16).numpy()

    @property
    def _framing(self) -> Framing:
        config = self.config
        return Framing(self.signal.length, config.n_fft, config.hop, config.center, config.pad_mode)

    @cached_property
    def _filters(self) -> torch.Tensor:
        """The mel filters (bins, F)."""
        import_torchaudio()
        from torchaudio.functional import melscale_fbanks

        config, rate = self.config, self.signal.sample_rate
        filters: torch.Tensor = melscale_fbanks(
            n_freqs=config.n_fft // 2 + 1,
            f_min=config.f_min,
            f_max=config.f_max if config.f_max is not None else rate / 2,
            n_mels=config.mels,
            sample_rate=rate,
            norm=config.norm,
            mel_scale=config.mel_scale,
        )
        return filters

    @contextmanager
    def _borrowed(self, filters: torch.Tensor) -> Iterator[MelTransform]:
        """Lend a transform with its buffers to one thread; as many exist as ever ran at once."""
        from asd.features.mel_filter import MelTransform

        try:
            transform = self._idle.pop()
        except IndexError:
            config = self.config
            transform = MelTransform(
                self._framing, filters, config.power, config.floor, config.log == "db"
            )
        try:
            yield transform
        finally:
            self._idle.append(transform)
