"""Mel spectrograms of one clip at a time, in buffers that are used again."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from asd.features.framing import Framing

_FRAMES_AT_ONCE = (
    128  # frames of a transform: their spectra stay in the cache until they are squared
)
_BANDS_AT_ONCE = 8  # bands of a product; more of them span more bins, most of them zeros


@dataclass(frozen=True)
class _Bands:
    """Some neighbouring bands, with the run of spectral values that they are made of."""

    first: int
    begin: int
    end: int
    filters: torch.Tensor  # (bands, end - begin)


class MelTransform:
    """int16 waves to mel spectrograms (F, T), one clip and one thread at a time.

    A filter of the mel scale spans few of the bins: neighbouring bands are one product over those
    bins alone.

    An object holds buffers and must not be used by two threads at once.

    Args:
        framing: the frames.
        filters: mel filters (bins, F), as torchaudio's ``melscale_fbanks`` gives them.
        power: exponent of the magnitude.
    """

    def __init__(self, framing: Framing, filters: torch.Tensor, power: float) -> None:
        self._framing, self._power = framing, power
        # Scales int16 to [-1, 1) on the way.
        self._window = torch.hann_window(framing.n_fft) / 32768.0
        self._bands = _group(filters)
        self._padded = torch.zeros(framing.length + 2 * framing.padding)
        self._frames = torch.empty(min(framing.frames, _FRAMES_AT_ONCE), framing.n_fft)
        self._values = torch.empty(framing.frames, filters.shape[0])
        self._mel = torch.empty(filters.shape[1], framing.frames)

    def __call__(self, wave: torch.Tensor) -> torch.Tensor:
        """Compute the mel spectrogram (F, T) float32 of ``wave`` (L,) int16, full scale 32768.

        It lies in a buffer, and is overwritten by the next call.
        """
        framing = self._framing
        self._pad(wave)
        framed = self._padded.as_strided((framing.frames, framing.n_fft), (framing.hop, 1))
        for start in range(0, framing.frames, _FRAMES_AT_ONCE):
            block = framed[start : start + _FRAMES_AT_ONCE]
            frames = torch.mul(block, self._window, out=self._frames[: len(block)])
            squares = torch.view_as_real(torch.fft.rfft(frames)).square_()
            values = self._values[start : start + len(block)]
            torch.add(squares[..., 0], squares[..., 1], out=values)
        if self._power != 2:
            self._values.pow_(self._power / 2)
        for bands in self._bands:
            part = self._mel[bands.first : bands.first + len(bands.filters)]
            torch.mm(bands.filters, self._values[:, bands.begin : bands.end].T, out=part)
        return self._mel

    def _pad(self, wave: torch.Tensor) -> None:
        width = self._framing.padding
        inside = self._padded[width : width + len(wave)]
        inside.copy_(wave)
        if width and self._framing.pad_mode == "reflect":
            self._padded[:width] = inside[1 : width + 1].flip(0)
            self._padded[-width:] = inside[-width - 1 : -1].flip(0)


def _group(filters: torch.Tensor) -> list[_Bands]:
    """Cut filters (values, F) into products of neighbouring bands."""
    groups = []
    for first in range(0, filters.shape[1], _BANDS_AT_ONCE):
        some = filters[:, first : first + _BANDS_AT_ONCE]
        used = some.any(dim=1).nonzero()[:, 0].tolist() or [0]
        begin, end = used[0], used[-1] + 1
        groups.append(_Bands(first, begin, end, some[begin:end].T.contiguous()))
    return groups
