"""What a machine is, and what its sound is made of: rotation, tones, knocks, noise and resonances.

Everything random takes the generator it draws from. Sounds are built in time, (L,), and filtered
as spectra, (K,) with K = L / 2 + 1: a filter then costs one product, and as the transform is
periodic a recording starts in the middle of a run, without a transient.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

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

    def noise(self, random: np.random.Generator, points: Curve) -> Spectrum:
        """Return the spectrum (K,) of noise of unit power with a response of points (Hz, dB)."""
        return self.white(random) * self.colour(points)

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


NORMAL = "normal"


def generator(*names: object) -> np.random.Generator:
    """Return the random generator that belongs to ``names``, whatever else is drawn elsewhere."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


@dataclass(frozen=True)
class Unit:
    """One machine of its kind: sections of a machine type are units that differ a little."""

    seed: int
    machine: str
    section: int

    def vary(self, what: str, spread: float, which: int = 0) -> float:
        """Return this unit's factor, within 1 ± ``spread``, on its nominal ``what``.

        The golden-ratio sequence keeps the first few sections apart, which independent draws
        would not: two sections that sound the same by chance cannot be told from each other.

        Args:
            what: name of the property.
            spread: largest relative deviation from the nominal value.
            which: which of several parts of the unit.
        """
        start = generator(self.seed, self.machine, "unit", what).uniform()
        place = (start + 0.6180339887 * self.section + 0.7548776662 * which) % 1.0
        return 1.0 + spread * (2.0 * place - 1.0)

    def pattern(self, what: str, count: int, spread: float, which: int = 0) -> Wave:
        """Return this unit's factors (count,) on nominal amplitudes, 1 in the median.

        No two units have the same harmonics: teeth, blades and poles are never quite alike. A
        fault changes the pattern, which is what a network that knows the units can hear.

        Args:
            what: name of the tone.
            count: number of harmonics.
            spread: standard deviation of the logarithm of the factors.
            which: which of several parts of the unit.
        """
        names = (self.seed, self.machine, self.section, "pattern", what, which)
        return generator(*names).lognormal(0.0, spread, count)


@dataclass(frozen=True)
class Run:
    """One run of a unit, as it is recorded.

    Attributes:
        unit: the unit.
        clip: the clip's name without its attributes; with the unit it seeds all that is random.
        attributes: operating attributes, as written in the clip's name.
        condition: ``"normal"`` or the name of one of the machine's faults.
        severity: 0 for the smallest fault, 1 for the largest.
        grid: samples and frequencies.
    """

    unit: Unit
    clip: str
    attributes: Mapping[str, str]
    condition: str
    severity: float
    grid: Grid

    def vary(self, what: str, spread: float, which: int = 0) -> float:
        """Return :meth:`Unit.vary` of this run: with a fault, maybe on the way to another unit's.

        What differs from unit to unit is what ages: speeds, resonances and tempers of a faulty
        machine are no longer quite its own. Half of them move, up to a third of the way.
        """
        share, random = self._moved(what, which)
        own = self.unit.vary(what, spread, which)
        other = replace(self.unit, section=self.unit.section + 1 + int(random.integers(2)))
        return (1.0 - share) * own + share * other.vary(what, spread, which)

    def pattern(self, what: str, count: int, spread: float, which: int = 0) -> Wave:
        """Return :meth:`Unit.pattern` (count,) of this run, which a fault moves as :meth:`vary`."""
        share, random = self._moved(what, which)
        own = self.unit.pattern(what, count, spread, which)
        return own ** (1.0 - share) * random.lognormal(0.0, spread, count) ** share

    def _moved(self, what: str, which: int) -> tuple[float, np.random.Generator]:
        """Return how far a fault has moved a detail, 0 to 0.35, and what decides where to."""
        random = self.random(f"fault/{what}/{which}")
        moves = random.uniform() < 0.5 and self.condition != NORMAL
        return moves * (0.1 + 0.25 * self.severity), random

    def random(self, what: str) -> np.random.Generator:
        """Return this run's generator for ``what``: a fault leaves all other draws as they were."""
        unit = self.unit
        return generator(unit.seed, unit.machine, unit.section, self.clip, what)

    def number(self, attribute: str) -> float:
        """Return the number in an attribute's value (``"28V"`` is 28)."""
        return float(self.attributes[attribute].rstrip("V"))

    def structure(
        self, what: str, spread: float, modes: Sequence[Mode], which: Iterable[int] = range(4)
    ) -> Spectrum:
        """Return the mobility (K,) of this unit's ``what``.

        Args:
            what: name of the structure.
            spread: largest relative deviation of a frequency from the nominal value.
            modes: its nominal resonances.
            which: numbers of the parts of the unit that the resonances are of.
        """
        own = [
            (hertz * self.vary(what, spread, part), damping, gain)
            for (hertz, damping, gain), part in zip(modes, which, strict=True)
        ]
        return self.grid.modes(own)

    def amount(self, fault: str, smallest: float, largest: float) -> float:
        """Return the size of ``fault``, linear in its severity; 0 when the run has it not."""
        if self.condition != fault:
            return 0.0
        return smallest + self.severity * (largest - smallest)

    def gain(self, fault: str, smallest: float, largest: float) -> float:
        """Return the amplitude of ``fault`` from levels in dB; 0 when the run has it not."""
        if self.condition != fault:
            return 0.0
        return float(decibels(self.amount(fault, smallest, largest)))


@dataclass(frozen=True)
class Values:
    """The values of an operating attribute; those of ``target`` never occur in the source."""

    source: tuple[str, ...]
    target: tuple[str, ...]


class Machine(ABC):
    """A kind of machine.

    Attributes:
        attributes: the operating attributes in the order of the clip's name. Section s shifts
            attribute s modulo their number: there it takes its target values in the target
            domain, while the others keep their source values.
        faults: names of the conditions that are anomalies.
        level: root mean square of what :meth:`sound` gives in normal operation, measured over
            sections and operating attributes; the noise is set relative to it.
        loudness: root mean square of the recorded machine, full scale being 1.
        place: the attribute that says where the microphone stands, ``""`` for none.
        noise: the attribute that names the factory noise, ``""`` for none.
    """

    attributes: ClassVar[Mapping[str, Values]]
    faults: ClassVar[tuple[str, ...]]
    level: ClassVar[float]
    loudness: ClassVar[float]
    place: ClassVar[str] = ""
    noise: ClassVar[str] = ""

    @abstractmethod
    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the machine alone, close by."""

    def operations(self, section: int, domain: str) -> list[dict[str, str]]:
        """Return every combination of attribute values of a section in a domain."""
        shifted = list(self.attributes)[section % len(self.attributes)]
        combinations: list[dict[str, str]] = [{}]
        for key, values in self.attributes.items():
            moved = domain == "target" and key == shifted
            choices = values.target if moved else values.source
            combinations = [{**known, key: v} for known in combinations for v in choices]
        return combinations
