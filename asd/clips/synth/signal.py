"""What machine sounds are made of: rotation, tones, knocks, shaped noise and resonances.

Everything random takes the generator it draws from. Sounds are built in time, (L,), and filtered
as spectra, (K,) with K = L / 2 + 1: a filter then costs one product, and as the transform is
periodic a recording starts in the middle of a run, without a transient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft

RATE = 16000
"""Samples a second, as in every challenge year."""

Wave = NDArray[np.floating]
Spectrum = NDArray[np.complexfloating]
Curve = Sequence[tuple[float, float]]
"""A frequency response as points (Hz, dB), straight in between on a logarithmic frequency axis."""
Mode = tuple[float, float, float]
"""A resonance as (natural frequency in Hz, damping ratio, gain at resonance)."""

_TABLE = 8192


class Grid:
    """The samples and frequencies of one clip.

    Args:
        length: samples asked for; the grid has a few more where that makes the transform fast.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.size = fft.next_fast_len(length + length % 2, real=True)
        while self.size % 2:
            self.size = fft.next_fast_len(self.size + 1, real=True)

    @cached_property
    def frequencies(self) -> Wave:
        """Frequencies of a spectrum in Hz, (K,)."""
        return np.linspace(0, RATE / 2, self.size // 2 + 1, dtype=np.float32)

    @property
    def seconds(self) -> float:
        """Duration of the grid."""
        return self.size / RATE

    def spectrum(self, wave: Wave) -> Spectrum:
        """Return the spectrum (K,) of a wave (L,)."""
        return fft.rfft(wave.astype(np.float32, copy=False))

    def wave(self, spectrum: Spectrum) -> Wave:
        """Return the wave (L,) of a spectrum (K,)."""
        return fft.irfft(spectrum, self.size)

    def white(self, random: np.random.Generator) -> Spectrum:
        """Return the spectrum (K,) of white noise of unit power."""
        parts = random.standard_normal(2 * (self.size // 2 + 1), dtype=np.float32)
        return parts.view(np.complex64) * np.float32(np.sqrt(self.size / 2))

    def curve(self, points: Curve) -> Wave:
        """Return the gain (K,) of a response given as points (Hz, dB)."""
        coarse = np.geomspace(20.0, RATE / 2, 256)
        hertz, level = np.array(points).T
        gain = decibels(np.interp(np.log(coarse), np.log(hertz), level))
        return np.interp(self.frequencies, coarse, gain).astype(np.float32)

    def colour(self, points: Curve) -> Wave:
        """Return :meth:`curve` scaled so that white noise keeps its power."""
        gain = self.curve(points)
        return gain / np.sqrt(np.mean(np.square(gain)))

    def modes(self, modes: Sequence[Mode]) -> Spectrum:
        """Return the mobility (K,) of a structure: a sum of damped second-order resonances."""
        coarse = np.arange(0.0, RATE / 2 + 1, 2.0)
        response = np.zeros(coarse.size, dtype=complex)
        for natural, damping, gain in modes:
            # 1 / (1 + jQ (f/f0 - f0/f)), multiplied through by f to have no pole at zero
            ratio = coarse / natural
            width = 2 * damping * ratio
            response += gain * width / (width + 1j * (ratio * ratio - 1))
        return np.interp(self.frequencies, coarse, response).astype(np.complex64)


def decibels(level: float | Wave) -> float | Wave:
    """Return the amplitude ratio of a level in dB."""
    return 10.0 ** (level / 20.0)


def rms(wave: Wave) -> float:
    """Return the root mean square of a wave."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def wander(random: np.random.Generator, grid: Grid, rate: float) -> Wave:
    """Return a slow random movement (L,) of about unit variance, ``rate`` new values a second."""
    pieces = int(np.ceil(grid.seconds * rate))
    knots = random.standard_normal(pieces + 1)
    within = np.linspace(0.0, 1.0, -(-grid.size // pieces), endpoint=False)
    return (knots[:-1, None] + np.diff(knots)[:, None] * within).ravel()[: grid.size]


def rotation(random: np.random.Generator, grid: Grid, speed: float | Wave, drift: float) -> Wave:
    """Return the angle (L,) of a shaft in turns.

    Args:
        random: where the phase at the start and the drift come from.
        grid: the samples.
        speed: turns a second, constant or (L,).
        drift: relative standard deviation of the speed's slow movement.
    """
    momentary = speed * (1.0 + drift * wander(random, grid, 3.0))
    return random.uniform() + np.cumsum(momentary) / RATE


def tone(random: np.random.Generator, turns: Wave, amplitudes: Sequence[float] | Wave) -> Wave:
    """Return a periodic wave (L,) of the angle ``turns``: harmonic k has ``amplitudes[k - 1]``.

    Harmonics take random phases. The amplitudes are kept as they are: the power is the sum of
    their squares over two.
    """
    harmonics = np.zeros(_TABLE // 2 + 1, dtype=complex)
    phases = np.exp(2j * np.pi * random.uniform(size=len(amplitudes)))
    harmonics[1 : len(amplitudes) + 1] = np.asarray(amplitudes) * phases * (_TABLE / 2)
    table = fft.irfft(harmonics, _TABLE).astype(np.float32)
    return table[(turns * _TABLE).astype(np.int32) & (_TABLE - 1)]


def passages(turns: Wave, offset: float = 0.0, each: float = 1.0) -> Wave:
    """Return the samples (M,), fractional, at which an increasing angle passes offset + k each."""
    first = np.ceil((turns[0] - offset) / each)
    angles = offset + each * np.arange(first, np.floor((turns[-1] - offset) / each) + 1)
    after = np.clip(np.searchsorted(turns, angles), 1, turns.size - 1)
    before = after - 1
    rise = np.maximum(turns[after] - turns[before], 1e-12)
    return before + (angles - turns[before]) / rise


def knocks(grid: Grid, at: Wave, strength: float | Wave) -> Wave:
    """Return unit impulses (L,) of the given strength at fractional samples (M,)."""
    at = np.asarray(at, dtype=float) % grid.size
    before = at.astype(np.int64)
    after_share = at - before
    strengths = np.broadcast_to(strength, at.shape)
    wave = np.zeros(grid.size + 1, dtype=np.float32)
    np.add.at(wave, before, strengths * (1 - after_share))
    np.add.at(wave, before + 1, strengths * after_share)
    return wave[: grid.size]


def burst(grid: Grid, at: Wave, strength: float | Wave, seconds: float) -> Wave:
    """Return an envelope (L,) that jumps at each of ``at`` (M,) and falls to 1/e in ``seconds``."""
    decay = np.exp(np.arange(round(7 * seconds * RATE)) / (-seconds * RATE))
    starts = np.asarray(at).astype(np.int64) % grid.size
    wave = np.zeros(grid.size + decay.size)
    for start, size in zip(starts, np.broadcast_to(strength, starts.shape), strict=True):
        wave[start : start + decay.size] += size * decay
    return wave[: grid.size]
