"""Log-mel spectrograms (paper section II-A, Eq. 1)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from asd.clips.audio import Signal
from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.features.base import Extractor
from asd.native import import_torchaudio

if TYPE_CHECKING:
    import torch

# A mel filter spans few of the bins. That many neighbouring bands are one product over the bins
# that any of them spans; more of them span more bins, most of them zeros.
_BANDS_AT_ONCE = 8
# Frames of a transform: their spectra stay in the cache until they are squared.
_FRAMES_AT_ONCE = 128


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

    @property
    def padding(self) -> int:
        """Samples that are put before and after a clip."""
        return self.n_fft // 2 if self.center else 0

    def frames(self, length: int) -> int:
        """Return how many frames a clip of ``length`` samples has, T."""
        return 1 + (length + 2 * self.padding - self.n_fft) // self.hop


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
        return (self.config.mels, self.config.frames(self.signal.length))

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute log-mels (B, F, T) float16 of ``waves`` (B, L) int16."""
        import torch

        from asd.features.threads import one_thread

        rows = np.empty((len(waves), *self.row_shape), self.dtype)
        with one_thread(), self._borrowed() as transform:
            transform(torch.from_numpy(waves), torch.from_numpy(rows))
        return rows

    @cached_property
    def _filters(self) -> torch.Tensor:
        """The mel filters (bins, F)."""
        import_torchaudio()
        from torchaudio.functional import melscale_fbanks

        config, rate = self.config, self.signal.sample_rate
        return melscale_fbanks(
            n_freqs=config.n_fft // 2 + 1,
            f_min=config.f_min,
            f_max=config.f_max if config.f_max is not None else rate / 2,
            n_mels=config.mels,
            sample_rate=rate,
            norm=config.norm,
            mel_scale=config.mel_scale,
        )

    @contextmanager
    def _borrowed(self) -> Iterator[MelTransform]:
        """Lend a transform with its buffers to one thread; as many exist as ever ran at once."""
        filters = self._filters
        try:
            transform = self._idle.pop()
        except IndexError:
            transform = MelTransform(self.config, self.signal.length, filters)
        try:
            yield transform
        finally:
            self._idle.append(transform)


class MelTransform:
    """int16 waves to log-mel spectrograms, on one thread and without the interpreter.

    The loop over clips is compiled (TorchScript), so that a call holds Python's lock at its start
    and its end alone: called one by one, the operations of two threads side by side spend a third
    of the time handing the lock to each other. The operations are the same, and so are the bits.

    An object holds buffers and must not be used by two threads at once.

    Args:
        config: how log-mels are made.
        length: samples of a clip, L.
        filters: mel filters (bins, F), as torchaudio's ``melscale_fbanks`` gives them.
    """

    def __init__(self, config: LogMelConfig, length: int, filters: torch.Tensor) -> None:
        import torch

        padding, frames = config.padding, config.frames(length)
        padded = torch.zeros(length + 2 * padding)
        inside = padded[padding : padding + length]
        edges = []
        if padding and config.pad_mode == "reflect":
            edges = [
                (padded[:padding], inside[1 : padding + 1]),
                (padded[-padding:], inside[-padding - 1 : -1]),
            ]
        self._values = torch.empty(frames, len(filters))
        self._mel = torch.empty(filters.shape[1], frames)
        framed = padded.as_strided((frames, config.n_fft), (config.hop, 1))
        self._inputs = inside, edges, self._blocks(framed)
        self._outputs = self._values, self._bands(filters), self._mel
        # Scales int16 to [-1, 1) on the way.
        window = torch.hann_window(config.n_fft) / 32768.0
        self._settings = window, config.power, config.floor, config.log == "db"
        self._loop = _log_mels()

    def __call__(self, waves: torch.Tensor, rows: torch.Tensor) -> None:
        """Fill ``rows`` (B, F, T) with the log-mels of ``waves`` (B, L) int16, full scale 32768."""
        import torch

        with torch.inference_mode():
            self._loop(waves, rows, *self._inputs, *self._outputs, *self._settings)

    def _blocks(
        self, framed: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return some of the frames, where they go when windowed, and where their spectra go."""
        windowed = framed.new_empty(min(len(framed), _FRAMES_AT_ONCE), framed.shape[1])
        blocks = []
        for start in range(0, len(framed), _FRAMES_AT_ONCE):
            some = framed[start : start + _FRAMES_AT_ONCE]
            spectra = self._values[start : start + _FRAMES_AT_ONCE]
            blocks.append((some, windowed[: len(some)], spectra))
        return blocks

    def _bands(
        self, filters: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return the filters of some bands, the spectra they are applied to, and the result."""
        groups = []
        for first in range(0, filters.shape[1], _BANDS_AT_ONCE):
            some = filters[:, first : first + _BANDS_AT_ONCE]
            used = some.any(dim=1).nonzero()[:, 0].tolist() or [0]
            bins = slice(used[0], used[-1] + 1)
            result = self._mel[first : first + some.shape[1]]
            groups.append((some[bins].T.contiguous(), self._values[:, bins].T, result))
        return groups


@cache
def _log_mels() -> Callable[..., None]:
    """Return what computes log-mels, in the part of Python that TorchScript compiles."""
    import torch

    def log_mels(
        waves: torch.Tensor,
        rows: torch.Tensor,
        inside: torch.Tensor,
        edges: list[tuple[torch.Tensor, torch.Tensor]],
        blocks: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
        values: torch.Tensor,
        bands: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
        mel: torch.Tensor,
        window: torch.Tensor,
        power: float,
        floor: float,
        decibel: bool,
    ) -> None:
        for clip in range(waves.size(0)):
            inside.copy_(waves[clip])
            for edge, mirrored in edges:
                edge.copy_(mirrored.flip(0))
            for frames, windowed, spectra in blocks:
                torch.mul(frames, window, out=windowed)
                squares = torch.view_as_real(torch.fft.rfft(windowed)).square_()
                torch.add(squares.select(2, 0), squares.select(2, 1), out=spectra)
            if power != 2.0:
                values.pow_(power / 2)
            for filters, part, result in bands:
                torch.mm(filters, part, out=result)
            mel.clamp_(min=floor)
            rows[clip].copy_(mel.log10_().mul_(10.0) if decibel else mel.log_())

    with warnings.catch_warnings():
        # TorchScript is to go in some release; the project asks for one torch exactly.
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(log_mels)
