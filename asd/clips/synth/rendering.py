"""One clip: a machine's run and the factory around it, as the microphone hears them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asd.clips.synth import MACHINES
from asd.clips.synth.machine import NORMAL, Run, Unit
from asd.clips.synth.noise import factory_noise, way
from asd.clips.synth.signal import RATE, Grid, Wave, decibels
from asd.config import SynthConfig
from asd.errors import unknown_name


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
        machine: a name of :data:`asd.clips.synth.MACHINES`.
        section: the unit of that machine type.
        clip: the clip's name without attributes. With the machine, the section and the seed it
            decides all that is random, so a clip never depends on which others are made.
        attributes: the operating attributes, by key.
        condition: ``"normal"`` or one of the machine's faults.
        config: seed, seconds and signal-to-noise ratio. Below 4 s a clip may be too short to hold
            a fault that comes once a stroke or once a round.

    Returns:
        Samples (L,) at 16 kHz, within -1 to 1. The noise is ``config.snr_db`` below the average
        normal sound of the machine type, give or take 2 dB from clip to clip.

    Raises:
        UsageError: an unknown machine or condition.
    """
    run = take(machine, section, clip, attributes, condition, config)
    kind = MACHINES[machine]()
    levels = run.random("levels")
    snr_db = config.snr_db + 2.0 * levels.standard_normal()
    gain = kind.loudness * decibels(levels.standard_normal())
    place, mixture = attributes.get(kind.place, ""), attributes.get(kind.noise)
    heard = kind.sound(run) * way(run, place) * np.float32(1 / kind.level)
    heard += factory_noise(run, mixture) * np.float32(decibels(-snr_db))
    wave = run.grid.wave(heard)[: run.grid.length] * np.float32(gain)
    return np.clip(wave, -1.0, 1.0)


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
    grid = Grid(round(config.seconds * RATE))
    run = Run(unit, clip, attributes, condition, 0.0, grid)
    severity = float(run.random("severity").uniform())
    return Run(unit, clip, attributes, condition, severity, grid)
