"""Frames of a short-time Fourier transform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Framing:
    """How a clip of ``length`` samples is cut into frames of the Fourier transform.

    Attributes:
        length: samples of a clip, L.
        n_fft: points of the transform.
        hop: samples between frames.
        center: whether the clip is padded by half a transform at both ends.
        pad_mode: ``"reflect"`` or ``"constant"`` (zeros).
    """

    length: int
    n_fft: int
    hop: int
    center: bool
    pad_mode: str

    @property
    def padding(self) -> int:
        """Samples that are put before and after the clip."""
        return self.n_fft // 2 if self.center else 0

    @property
    def frames(self) -> int:
        """Frames of a clip, T."""
        return 1 + (self.length + 2 * self.padding - self.n_fft) // self.hop
