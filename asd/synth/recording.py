"""One clip: a machine's run and the factory around it, as one or two microphones hear them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from asd.config import SynthConfig
from asd.errors import unknown_name
from asd.synth import MACHINES
from asd.synth.machine import (
    NORMAL,
    RATE,
    Grid,
    Run,
    Spectrum,
    Unit,
    Wave,
    decibels,
    generator,
    knocks,
    rotation,
    tone,
    wander,
)


def render(
    machine: str,
    section: int,
    clip: str,
    attributes: Mapping[str, str],
    condition: str,
    config: SynthConfig,
) -> Wave:
    """Return the sound of one clip.

    Args:
        machine: a name of :data:`asd.synth.MACHINES`.
        section: the unit of that machine type.
        clip: the clip's name without attributes. With the machine, the section and the seed it
            decides all that is random, so a clip never depends on which others are made.
        attributes: the operating attributes, by key.
        condition: ``"normal"`` or one of the machine's faults.
        config: seed, seconds, channels and signal-to-noise ratio. Below 4 s a clip may be too
            short to hold a fault that comes once a stroke or once a round.

    Returns:
        Samples (L,) at 16 kHz, within -1 to 1; with two channels (L, 2), the near microphone's and
        the far one's (:func:`far_microphone`). The noise is ``config.snr_db`` below the average
        normal sound of the machine type, give or take 6 dB from clip to clip.

    Raises:
        UsageError: an unknown machine or condition.
    """
    run = take(machine, section, clip, attributes, condition, config)
    kind = MACHINES[machine]()
    levels = run.random("levels")
    snr_db = config.snr_db + levels.uniform(-6.0, 6.0)
    gain = kind.loudness * decibels(levels.standard_normal())
    place, mixture = attributes.get(kind.place, ""), attributes.get(kind.noise)
    sound = kind.sound(run) * way(run, place) * np.float32(1 / kind.level)
    hall = factory_noise(run, mixture) * np.float32(decibels(-snr_db))
    heard = [sound + hall]
    if config.channels == 2:
        heard.append(far_microphone(run, sound, hall))
    waves = [run.grid.wave(one)[: run.grid.length] * np.float32(gain) for one in heard]
    return np.clip(np.stack(waves, axis=1) if waves[1:] else waves[0], -1.0, 1.0)


def far_microphone(run: Run, sound: Spectrum, hall: Spectrum) -> Spectrum:
    """Return the spectrum (K,) at a microphone some metres off, in the same hall.

    It hears the hall as loud as the near one, but later and over reflections of its own; a tenth of
    that power is of places that the near one does not hear, which no filter can tell. The machine
    comes 15 dB weaker, over its own way.

    Args:
        run: the run.
        sound, hall: spectra (K,) of the machine and of the factory at the near microphone.
    """
    fixed = generator(run.unit.seed, run.unit.machine, "far")
    elsewhere = unit_power(broadband(run.grid, fixed, run.random("elsewhere")))
    power = np.sqrt(np.mean(np.square(np.abs(hall)), dtype=np.float64))
    power /= np.sqrt(np.mean(np.square(np.abs(elsewhere)), dtype=np.float64))
    far = hall * _room(run.grid, fixed) + elsewhere * np.float32(np.sqrt(0.1) * power)
    return far + sound * _room(run.grid, fixed) * np.float32(decibels(-15.0))


def _room(grid: Grid, fixed: np.random.Generator) -> Spectrum:
    """Return a way (K,) of 2 to 6 ms, some reflections within 15 ms, and a colour of its own."""
    first, *later = fixed.uniform((0.002, *[0.003] * 5), (0.006, *[0.015] * 5))
    levels = 2.0 * fixed.standard_normal(7)
    response = np.exp(-2j * np.pi * first * grid.frequencies)
    for delay, strength in zip(later, fixed.uniform(-0.4, 0.4, 5), strict=True):
        response += strength * np.exp(-2j * np.pi * (first + delay) * grid.frequencies)
    colour = grid.curve(list(zip(np.geomspace(60.0, RATE / 2, 7), levels, strict=True)))
    return (response * colour).astype(np.complex64)


def take(
    machine: str,
    section: int,
    clip: str,
    attributes: Mapping[str, str],
    condition: str,
    config: SynthConfig,
) -> Run:
    """Return the run that a clip records; arguments and errors as for :func:`render`."""
    faults = MACHINES[machine].faults
    if condition not in (NORMAL, *faults):
        raise unknown_name(f"condition of {machine}", condition, (NORMAL, *faults))
    unit = Unit(config.seed, machine, section)
    run = Run(unit, clip, attributes, condition, 0.0, Grid(round(config.seconds * RATE)))
    return replace(run, severity=float(run.random("severity").uniform()))


Kind = Callable[[Grid, np.random.Generator, np.random.Generator], Spectrum]
"""(grid, what stays the same in a factory, what changes from clip to clip) -> spectrum (K,)."""


def hum(grid: Grid, factory: np.random.Generator, clip: np.random.Generator) -> Spectrum:
    """Mains hum: transformers and ballasts sing at twice the mains frequency and its multiples."""
    amplitudes = np.zeros(24)
    amplitudes[1::2] = factory.lognormal(0.0, 0.8, 12) / np.arange(1, 13) ** 0.8
    amplitudes[1::2] *= clip.lognormal(0.0, 0.15, 12)
    return grid.spectrum(tone(clip, rotation(clip, grid, 50.0, 0.0002), amplitudes))


def broadband(grid: Grid, factory: np.random.Generator, clip: np.random.Generator) -> Spectrum:
    """Ventilation and traffic: noise that falls with frequency, swelling slowly."""
    slope = factory.uniform(4.5, 6.0) + clip.standard_normal()
    corner = factory.uniform(200.0, 350.0) * clip.lognormal(0.0, 0.4)
    octaves = np.log2(RATE / 2 / corner)
    points = [(20.0, 0.0), (corner, 0.0), (RATE / 2, -slope * octaves)]
    swell = decibels(1.5 * wander(clip, grid, 0.7))
    return grid.spectrum(grid.wave(grid.white(clip) * grid.colour(points)) * swell)


def impacts(grid: Grid, factory: np.random.Generator, clip: np.random.Generator) -> Spectrum:
    """Metal work: parts that fall and hammer strokes, at random times, ringing in a hall."""
    count = clip.poisson(2.5 * grid.seconds) + 1
    at = clip.uniform(0, grid.size, count)
    modes = [
        (f * clip.lognormal(0.0, 0.02), factory.uniform(0.03, 0.06), factory.lognormal(0.0, 0.5))
        for f in factory.uniform((300, 900, 1800, 3200), (900, 1800, 3200, 6000))
    ]
    return grid.spectrum(knocks(grid, at, clip.lognormal(0.0, 0.4, count))) * grid.modes(modes)


def machines(grid: Grid, factory: np.random.Generator, clip: np.random.Generator) -> Spectrum:
    """Other machines: whining drives, each with its load going up and down."""
    sound = np.zeros(grid.size)
    for speed in factory.uniform((90, 400), (400, 1300)):
        turns = rotation(clip, grid, speed * (1.0 + 0.01 * clip.standard_normal()), 0.002)
        amplitudes = factory.lognormal(0.0, 0.6, 5) / np.arange(1, 6)
        sound += tone(clip, turns, amplitudes) * decibels(2.0 * wander(clip, grid, 1.5))
    return grid.spectrum(sound)


KINDS: Mapping[str, Kind] = {
    "hum": hum,
    "broadband": broadband,
    "impacts": impacts,
    "machines": machines,
}
"""Kinds of factory noise by name."""

MIXTURES: Mapping[str, Mapping[str, float]] = {
    "W": {"broadband": 1.0, "hum": 0.5},
    "X": {"broadband": 0.6, "machines": 0.8},
    "Y": {"broadband": 1.0, "impacts": 0.3},
    "Z": {"broadband": 0.8, "hum": 0.4, "machines": 0.3},
}
"""Power of each kind in the noises that a fan's clips name (attribute ``m-n``)."""

_UNNAMED: Sequence[Mapping[str, float]] = (
    {"broadband": 1.0, "hum": 0.4},
    {"broadband": 1.0, "impacts": 0.25},
    {"broadband": 1.0, "machines": 0.4},
)


def factory_noise(run: Run, mixture: str | None) -> Spectrum:
    """Return the spectrum (K,) of the factory around a run, of unit power.

    Args:
        run: the run; every clip hears another minute of the same factory.
        mixture: a key of :data:`MIXTURES`, or None for ventilation and one more kind by chance.
    """
    unit, clip = run.unit, run.random("noise")
    powers = MIXTURES[mixture] if mixture else _UNNAMED[int(clip.integers(len(_UNNAMED)))]
    total = np.zeros(run.grid.frequencies.size, dtype=np.complex64)
    for kind, power in powers.items():
        factory = generator(unit.seed, unit.machine, "factory", mixture, kind)
        share = np.float32(np.sqrt(power * clip.lognormal(0.0, 1.2)))
        total += unit_power(KINDS[kind](run.grid, factory, clip)) * share
    return unit_power(total)


def unit_power(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum (K,) scaled to a wave of unit mean square (Parseval)."""
    # no dot product: its sum depends on the number of threads
    power = np.sum(np.square(spectrum.real) + np.square(spectrum.imag), dtype=np.float64)
    return spectrum * np.float32(np.sqrt(2.0 / power) * (spectrum.size - 1))


def way(run: Run, place: str) -> Spectrum:
    """Return the response (K,) of the air between the machine and the microphone at ``place``.

    Each place has its own colour and its own reflection from the floor; a little of both changes
    from clip to clip, as nobody puts a stand back to the millimetre.
    """
    unit, grid = run.unit, run.grid
    # The room is the same for all sections where the place is not an attribute of the clip.
    fixed, random = generator(unit.seed, unit.machine, "place", place), run.random("way")
    hertz = np.geomspace(60.0, RATE / 2, 7)
    levels = 2.0 * fixed.standard_normal(7) + random.standard_normal(7)
    delay = fixed.uniform(0.0008, 0.004) * (1.0 + 0.02 * random.standard_normal())
    reflection = 0.35 * np.exp(-2j * np.pi * delay * grid.frequencies).astype(np.complex64)
    return grid.curve(list(zip(hertz, levels, strict=True))) * (1.0 + reflection)
