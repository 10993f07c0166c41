"""What a network reads of a clip, with one part of the sound replaced by that of another clip.

A part is a block of mel bands x frames. In a log-mel the block itself is replaced. In a wave the
same band and time are: the difference of the two waves, band-passed by an FFT and faded in and out
over one hop, is added. Any other feature is computed anew from that wave. The blocks of a grid make
up the whole: all replaced together give the other clip. What a pre-trained model heard stays as it
is: it would take a minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asd.clips.audio import Signal
from asd.detection.embedder import in_batches
from asd.features.base import Extractor, NetworkExtractor
from asd.features.logmel import LogMelConfig

# Slaney's scale: linear up to 1 kHz, then 27 steps a factor of 6.4.
_LINEAR_STEP = 200.0 / 3
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0


def is_replaced(extractor: Extractor) -> bool:
    """Return whether parts of a feature are replaced: of all but those of pre-trained models."""
    return not isinstance(extractor, NetworkExtractor)


@dataclass(frozen=True)
class Grid:
    """Blocks over a log-mel (F, T).

    Attributes:
        bands: (Q + 1,) the first row of each block of bands, and F.
        spans: (P + 1,) the first frame of each span, and T.
        hertz: (F + 1,) edges of the mel bands in Hz.
        hop: samples between frames.
    """

    bands: np.ndarray
    spans: np.ndarray
    hertz: np.ndarray
    hop: int

    @classmethod
    def over(cls, view: Extractor, bands: int = 8, spans: int = 20) -> Grid:
        """Divide what an extractor of log-mels gives into ``bands`` x ``spans`` equal blocks."""
        rows, frames = view.row_shape
        return cls(
            np.linspace(0, rows, min(bands, rows) + 1).round().astype(int),
            np.linspace(0, frames, min(spans, frames) + 1).round().astype(int),
            band_edges(view.config, view.signal.sample_rate),
            view.config.hop,
        )

    @property
    def over_shape(self) -> tuple[int, int]:
        """(F, T) of the log-mel."""
        return int(self.bands[-1]), int(self.spans[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, P)."""
        return len(self.bands) - 1, len(self.spans) - 1


def occluded(
    extractors: Mapping[str, Extractor],
    clip: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    grid: Grid,
    band: int,
    waves: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Return the features (P, ...) of a clip with one block of bands replaced, span by span.

    Args:
        extractors: of the features, by name.
        clip: features (1, ...) of the clip.
        other: those of the clip that the blocks come from.
        grid: the blocks.
        band: which block of bands, 0 to Q - 1.
        waves: both clips (L,) int16, for features that are computed anew; without them, these stay
            as they are.
    """
    spans = grid.shape[1]
    mixed = None
    found = {}
    for name, extractor in extractors.items():
        values = np.repeat(clip[name].astype(np.float32), spans, axis=0)
        if extractor.name == "logmel" and extractor.row_shape == grid.over_shape:
            rows = slice(grid.bands[band], grid.bands[band + 1])
            for i, (start, end) in enumerate(zip(grid.spans, grid.spans[1:], strict=False)):
                values[i, rows, start:end] = other[name][0, rows, start:end]
        elif extractor.name == "wave":
            change = band_change(clip[name][0], other[name][0], grid, band, extractor.signal)
            values += change * span_weights(grid, len(change))
        elif waves is not None and is_replaced(extractor):
            if mixed is None:
                change = band_change(*waves, grid, band, extractor.signal)
                sums = waves[0] + change * span_weights(grid, len(change))
                mixed = np.clip(np.rint(sums), -32768, 32767).astype(np.int16)
            values = in_batches(extractor, mixed)
        found[name] = values
    return found


def band_change(
    clip: np.ndarray, other: np.ndarray, grid: Grid, band: int, signal: Signal
) -> np.ndarray:
    """Return (L,) float32 what replaces one block of bands of ``clip`` (L,) by that of ``other``.

    The lowest block begins at 0 Hz and the highest ends at half the sample rate, so that nothing
    lies between or beyond.
    """
    difference = other.astype(np.float64) - clip
    spectrum = np.fft.rfft(difference)
    frequency = np.fft.rfftfreq(len(difference), 1.0 / signal.sample_rate)
    low = grid.hertz[grid.bands[band]] if band else -np.inf
    high = grid.hertz[grid.bands[band + 1]] if band + 1 < grid.shape[0] else np.inf
    spectrum[(frequency < low) | (frequency >= high)] = 0
    return np.fft.irfft(spectrum, len(difference)).astype(np.float32)


def span_weights(grid: Grid, length: int) -> np.ndarray:
    """Return the weight (P, L) float32 of each sample in each span; they sum to 1 at each sample.

    Frame k is centred at sample k * hop; one span fades into the next over one hop.
    """
    ends = (grid.spans[1:-1] - 0.5) * grid.hop
    # (P - 1, L): how far the sample is past the end of each span but the last.
    past = np.clip((np.arange(length) - ends[:, None]) / grid.hop + 0.5, 0, 1)
    begun = np.concatenate([np.ones((1, length)), past])
    ended = np.concatenate([past, np.zeros((1, length))])
    return (begun - ended).astype(np.float32)


def band_edges(config: LogMelConfig, sample_rate: int) -> np.ndarray:
    """Return the edges (F + 1,) in Hz that part the bands of a mel filter bank.

    Neighbouring triangles overlap; they are parted half way (on the mel scale) between their peaks.
    """
    highest = config.f_max if config.f_max is not None else sample_rate / 2
    low, high = to_mel(np.array([config.f_min, highest]), config.mel_scale)
    step = (high - low) / (config.mels + 1)
    return to_hertz(low + step * (0.5 + np.arange(config.mels + 1)), config.mel_scale)


def to_mel(hertz: np.ndarray, scale: str) -> np.ndarray:
    """Return frequencies in Hz on a mel scale."""
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(hertz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hertz < _BREAK_HZ, hertz / _LINEAR_STEP, above)


def to_hertz(mel: np.ndarray, scale: str) -> np.ndarray:
    """Return what :func:`to_mel` was given."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_STEP, above)
