"""Where the bands of a log-mel lie in hertz."""

from __future__ import annotations

import math

import numpy as np

# Slaney's scale: linear up to 1 kHz, then 27 steps a factor of 6.4.
_LINEAR_STEP = 200.0 / 3
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0


def band_edges(bands: int, lowest: float, highest: float, scale: str) -> np.ndarray:
    """Return the edges (bands + 1,) in Hz that part the bands of a mel filter bank.

    Neighbouring triangles overlap; they are parted half way (on the mel scale) between their peaks.

    Args:
        bands: mel bands.
        lowest, highest: frequencies in Hz that the filter bank lies between.
        scale: ``"slaney"`` or ``"htk"``.
    """
    low, high = to_mel(np.array([lowest, highest]), scale)
    step = (high - low) / (bands + 1)
    return to_hertz(low + step * (0.5 + np.arange(bands + 1)), scale)


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
