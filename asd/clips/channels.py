"""Which channel of a recording is heard: one of them, or the residual of the first two.

A second microphone that hears mostly the hall (the far one of the 2026 challenge, channel 1) tells
what of the first, near one is the hall. The residual is what the near one hears beside it. It is
made of signals, before any feature, clip by clip: it needs no training and no other recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from asd.config import RESIDUAL, Channel

_WINDOW, _HOP = 1024, 512
_LEAST_POWER = 1e-12
# Frames transformed at a time, which stay in the cache of a core; and blocks whose spectra are kept
# for the second pass: those of 33 s at 16 kHz, and of longer signals none.
_BLOCK, _KEPT = 256, 4
# A last frame that ends sooner after the signal's end would divide the rest by next to nothing.
_MARGIN = _HOP // 4
_FULL_SCALE = np.float32(1 / 32768)


def columns(channel: Channel) -> int | slice:
    """Return what picks a channel of samples (n, channels): (n,), or (n, 2) for the residual."""
    return slice(0, 2) if channel == RESIDUAL else channel


def needed(channel: Channel) -> int:
    """Return how many channels a recording must have."""
    return 2 if channel == RESIDUAL else channel + 1


def described(channel: Channel, channels: int) -> str:
    """Say which of several channels is used."""
    what = "residual of channels 0 and 1" if channel == RESIDUAL else f"channel {channel}"
    return f"{what} of {channels}"


def residual(near: NDArray, far: NDArray) -> NDArray[np.float32]:
    """Return what the near microphone hears and the far one does not explain.

    For each frequency one complex number H over the whole signal, by least squares, says how the
    far channel comes to the near one; Y = N - H F is left (short-time Fourier transform: Hann
    window of 1024 samples, hop 512, centred, reflected at the ends). The same as with whole spectra
    (:func:`torch.stft`, :func:`torch.istft`), in blocks of frames: memory beyond the signals does
    not grow with their length. Where a signal ends more than 384 samples after the middle of its
    last frame there is one frame more, as the inverse transform amplifies there.

    Args:
        near, far: (L,) samples of the same moments, int16 or float of full scale 1.

    Returns:
        (L,) float32, full scale 1.

    Raises:
        ValueError: they differ in shape, or have no samples.
    """
    if near.shape != far.shape or near.ndim != 1 or not len(near):
        raise ValueError(f"near {near.shape} and far {far.shape} are not of one length above 0")
    frames = 1 + (len(near) + _MARGIN - 1) // _HOP
    blocks = range(0, frames, _BLOCK)
    padded = _padded(near, frames)
    heard = partial(_spectra, padded)
    hall = lru_cache(_KEPT)(partial(_spectra, _padded(far, frames)))
    cross, power = np.zeros(_WINDOW // 2 + 1, np.complex128), np.zeros(_WINDOW // 2 + 1)
    for block in blocks:
        spectra = hall(block)
        cross += np.sum(heard(block) * spectra.conj(), axis=0)
        power += np.sum(np.square(spectra.real) + np.square(spectra.imag), axis=0)
    response = (cross / (power + _LEAST_POWER)).astype(np.complex64)
    explained = _inverse((response * hall(block) for block in blocks), frames)
    left: NDArray[np.float32] = padded[_HOP:][: len(near)] - explained[: len(near)]
    return left


def _inverse(spectra: Iterable[NDArray], frames: int) -> NDArray[np.float32]:
    """Return the signal (frames x hop,) of which all spectra (n, K), in turn, are the transform.

    Frames overlap by half, so that each stretch of one hop is the sum of two halves, the last one
    (as the one before the signal, which is left out) of one alone.
    """
    from scipy import fft

    first, second = np.split(_hann(), 2)
    stretches = np.zeros((frames + 1, _HOP), np.float32)
    done = 0
    for block in spectra:
        waves = fft.irfft(block, _WINDOW, axis=1) * _hann()
        stretches[done : done + len(waves)] += waves[:, :_HOP]
        stretches[done + 1 : done + 1 + len(waves)] += waves[:, _HOP:]
        done += len(waves)
    stretches[:-1] /= np.square(first) + np.square(second)
    stretches[-1] /= np.square(second)
    return stretches[1:].reshape(-1)


def _spectra(padded: NDArray[np.float32], begin: int) -> NDArray[np.complex64]:
    """Return the spectra (n, K) of the block of frames that begins with frame ``begin``."""
    from scipy import fft

    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    spectra: NDArray[np.complex64] = fft.rfft(frames[begin : begin + _BLOCK] * _hann(), axis=1)
    return spectra


def _padded(samples: NDArray, frames: int) -> NDArray[np.float32]:
    """Return a signal in float, reflected at its ends, as long as its frames."""
    scale = _FULL_SCALE if samples.dtype == np.int16 else np.float32(1)
    signal = samples.astype(np.float32) * scale
    return np.pad(signal, (_HOP, frames * _HOP - len(signal)), mode="reflect")


@lru_cache(1)
def _hann() -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)
