"""Log-mel spectrograms of clips one after the other, in buffers that are used again."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache

import torch

from asd.features.timing import Framing

# A mel filter spans few of the bins. That many neighbouring bands are one product over the bins
# that any of them spans; more of them span more bins, most of them zeros.
_BANDS_AT_ONCE = 8
# Frames of a transform: their spectra stay in the cache until they are squared.
_FRAMES_AT_ONCE = 128


class MelTransform:
    """int16 waves to log-mel spectrograms, on one thread and without the interpreter.

    The loop over clips is compiled (TorchScript), so that a call holds Python's lock at its start
    and its end alone: called one by one, the operations of two threads side by side spend a third
    of the time handing the lock to each other. The operations are the same, and so are the bits.

    An object holds buffers and must not be used by two threads at once.

    Args:
        framing: the frames.
        filters: mel filters (bins, F), as torchaudio's ``melscale_fbanks`` gives them.
        power: exponent of the magnitude.
        floor: smallest value before the logarithm.
        decibel: 10 log10, or else the natural logarithm.
        compiled: whether the loop is compiled; without, it is what a test compares with.
    """

    def __init__(
        self,
        framing: Framing,
        filters: torch.Tensor,
        power: float,
        floor: float,
        decibel: bool,
        compiled: bool = True,
    ) -> None:
        length, padding = framing.length, framing.padding
        padded = torch.zeros(length + 2 * padding)
        inside = padded[padding : padding + length]
        edges = []
        if padding and framing.pad_mode == "reflect":
            edges = [
                (padded[:padding], inside[1 : padding + 1]),
                (padded[-padding:], inside[-padding - 1 : -1]),
            ]
        self._values = torch.empty(framing.frames, len(filters))
        self._mel = torch.empty(filters.shape[1], framing.frames)
        self._inputs = inside, edges, self._blocks(framing, padded)
        self._outputs = self._values, self._bands(filters), self._mel
        # Scales int16 to [-1, 1) on the way.
        self._settings = torch.hann_window(framing.n_fft) / 32768.0, power, floor, decibel
        self._loop: Callable[..., None] = _compiled() if compiled else _log_mels

    @torch.inference_mode()
    def __call__(self, waves: torch.Tensor, rows: torch.Tensor) -> None:
        """Fill ``rows`` (B, F, T) with the log-mels of ``waves`` (B, L) int16, full scale 32768."""
        self._loop(waves, rows, *self._inputs, *self._outputs, *self._settings)

    def _blocks(
        self, framing: Framing, padded: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return some of the frames, where they go when windowed, and where their spectra go."""
        framed = padded.as_strided((framing.frames, framing.n_fft), (framing.hop, 1))
        windowed = torch.empty(min(framing.frames, _FRAMES_AT_ONCE), framing.n_fft)
        blocks = []
        for start in range(0, framing.frames, _FRAMES_AT_ONCE):
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


def _log_mels(
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
    """Compute log-mels, in the part of Python that TorchScript compiles."""
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


@cache
def _compiled() -> Callable[..., None]:
    with warnings.catch_warnings():
        # TorchScript is to go in some release; the project asks for one torch exactly.
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled: Callable[..., None] = torch.jit.script(_log_mels)
    return compiled
