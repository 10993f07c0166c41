"""Toys: a car on rollers and a train on a round track."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from asd.synth.machine import (
    RATE,
    Grid,
    Machine,
    Run,
    Spectrum,
    Values,
    Wave,
    burst,
    decibels,
    knocks,
    passages,
    rotation,
    tone,
    wander,
)


class ToyCar(Machine):
    """A model car (``car``) driving on rollers from a laboratory supply (``spd``, in volts).

    The speed of its motor follows the voltage. Its commutator (three poles: six switches a turn)
    makes the whine, the gear between motor and axle the growl, tyres on rollers the roar; all
    start a little after the clip and end a little before it, along the motor's time constant.

    Faults, as built into the cars of ToyADMOS (Koizumi et al., 2019): ``bent_shaft`` shakes the
    axle, growl and roar swell once a turn. ``deformed_gear`` knocks once a turn of the axle.
    ``melted_gear`` blurs the teeth: the growl loses its multiples. ``damaged_wheel`` slaps the
    roller at each turn of the wheel. ``overvoltage`` is more speed than the supply names.
    """

    attributes: ClassVar[Mapping[str, Values]] = {
        "car": Values(("A1", "A2"), ("B1", "B2")),
        "spd": Values(("28V", "31V", "34V"), ("37V", "40V")),
        "mic": Values(("1",), ("2",)),
    }
    faults = ("bent_shaft", "deformed_gear", "melted_gear", "damaged_wheel", "overvoltage")
    level = 0.707
    loudness = 0.03
    place = "mic"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the car alone; see :class:`ToyCar`."""
        grid, random = run.grid, run.random("machine")
        car = ("A1", "A2", "B1", "B2").index(run.attributes["car"])
        volts = run.number("spd") * (1.0 + run.amount("overvoltage", 0.03, 0.12))
        speed = 4.6 * volts * run.vary("motor", 0.16, car) * (1 + 0.009 * random.standard_normal())
        pull = _on_and_off(random, grid)
        motor = rotation(random, grid, speed * (0.2 + 0.8 * pull), 0.003)
        axle = motor / (6.4 * run.vary("gear", 0.2, car))

        whine = tone(random, motor * 6, 0.35 * run.pattern("whine", 5, 0.6, car) / np.arange(1, 6))
        teeth = run.pattern("teeth", 6, 0.6, car) / np.arange(1, 7)
        teeth[1:] *= decibels(-run.amount("melted_gear", 4, 20))
        growl = tone(random, motor * 9, 0.4 * teeth) + tone(random, motor, [0.3, 0.15, 0.1])
        shake = 0.12 + run.amount("bent_shaft", 0.15, 0.8)
        growl *= 1.0 + shake * tone(random, axle, [0.8, 0.4])
        growl *= decibels(run.amount("melted_gear", 0.5, 5.0) + run.amount("bent_shaft", 0.5, 5.0))
        roar = grid.wave(
            grid.noise(random, [(60, 0), (700, 3), (1800, -5), (5500, -9), (RATE / 2, -12)])
        )
        roar *= 0.8 * (1.0 + 0.4 * shake * tone(random, axle, [1.0]))
        gear_knock = knocks(grid, passages(axle), run.gain("deformed_gear", 30, 44))
        slap = 0.9 * burst(grid, passages(axle, 0.4), run.gain("damaged_wheel", 2, 20), 0.004)
        body = run.structure(
            "body",
            0.18,
            [(310, 0.12, 1.0), (780, 0.08, 1.2), (1700, 0.06, 1.0), (4100, 0.05, 0.8)],
            range(car, car + 16, 4),
        )
        force = pull * (whine + growl + roar * (1.0 + slap))
        return grid.spectrum(force) * (body + 0.4) + grid.spectrum(pull * gear_knock) * body


class ToyTrain(Machine):
    """A model train (``car``) on a round track, at a notch of its controller (``spd``).

    It passes the microphone once a round: motor, wheels and rail swell and get brighter. Each axle
    clicks on the rail joints, in pairs as axles come in pairs; curves make the flanges rub.

    Faults, after ToyADMOS: ``disjointed_track`` is a wider gap at one joint, passed once a round.
    ``flat_tyre`` knocks once a turn of the wheel. ``broken_shaft`` lets one wheel wobble: wheel
    noise in its rhythm. ``obstacle`` rubs along the train for a part of each round.
    ``overvoltage`` is more speed than the controller names.
    """

    attributes: ClassVar[Mapping[str, Values]] = {
        "car": Values(("A1", "A2"), ("B1", "B2")),
        "spd": Values(("6", "8", "10"), ("7", "9")),
        "mic": Values(("1",), ("2",)),
    }
    faults = ("disjointed_track", "flat_tyre", "broken_shaft", "obstacle", "overvoltage")
    level = 0.36
    loudness = 0.0055
    place = "mic"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the train alone; see :class:`ToyTrain`."""
        grid, random = run.grid, run.random("machine")
        car = ("A1", "A2", "B1", "B2").index(run.attributes["car"])
        pace = run.number("spd") / 8.0 * (1.0 + run.amount("overvoltage", 0.04, 0.14))
        pace *= run.vary("motor", 0.16, car) * (1 + 0.012 * random.standard_normal())
        rounds = rotation(random, grid, 0.36 * pace, 0.01)
        wheel = rounds * 26.0 * run.vary("wheel", 0.2, car)
        motor = wheel * 15.0
        near = 0.35 + 0.65 * np.exp(4.0 * (np.cos(2 * np.pi * rounds) - 1.0))

        poles = 0.35 * run.pattern("whine", 8, 0.6, car) * np.arange(1, 9) ** -0.7
        whine = tone(random, motor, [0.2, 0.1]) + tone(random, motor * 3, poles)
        wobble = 0.1 + run.amount("broken_shaft", 0.1, 0.8)
        rolling = grid.wave(
            grid.noise(random, [(100, -6), (900, 0), (2600, 0), (5000, -9), (RATE / 2, -18)])
        )
        rolling *= 0.8 * pace * (1.0 + wobble * tone(random, wheel, [1.0, 0.5]))
        rolling *= 1.0 + 0.15 * wander(random, grid, 6.0)
        body = run.structure(
            "body",
            0.18,
            [(450, 0.10, 1.0), (1100, 0.07, 1.1), (2300, 0.05, 1.0), (3900, 0.04, 0.8)],
            range(car, car + 16, 4),
        )
        track = self._track(run, rounds, wheel)
        flange = grid.noise(random, [(1500, -24), (4500, 0), (RATE / 2, -4)])
        curve = 0.15 * near**2 + self._rub(run, rounds)
        sound = grid.spectrum((whine + rolling) * near) * (body + 0.3)
        sound += grid.spectrum(track * near) * body
        return sound + grid.spectrum(grid.wave(flange) * curve)

    def _track(self, run: Run, rounds: Wave, wheel: Wave) -> Wave:
        """Return the clicks (L,) of axles on joints, and the knocks of the faults."""
        at, strengths = [], []
        for joint, uneven in enumerate(run.pattern("joints", 12, 0.6)):
            gap = run.gain("disjointed_track", 30, 46) if joint == 5 else 0.0
            for axle in (0.0, 0.008, 0.05, 0.058):
                at.append(passages(rounds, joint / 12 + axle))
                strengths.append(np.full(at[-1].size, 4.0 * uneven + gap))
        at.append(passages(wheel))
        strengths.append(np.full(at[-1].size, run.gain("flat_tyre", 26, 42)))
        return knocks(run.grid, np.concatenate(at), np.concatenate(strengths))

    def _rub(self, run: Run, rounds: Wave) -> Wave:
        """Return the strength (L,) of the obstacle's rubbing."""
        place = run.random("defect").uniform()
        along = ((rounds - place) % 1.0 < 0.14).astype(float)
        return run.gain("obstacle", -20, -2) * along


def _on_and_off(random: np.random.Generator, grid: Grid) -> Wave:
    """Return the drive (L,), 0 to 1: on near the start of the clip and off near its end."""
    share = np.arange(grid.size) / grid.size
    on = random.uniform(0.04, 0.10)
    off = random.uniform(0.84, 0.90)
    rise = 1.0 - np.exp(-np.clip(share - on, 0, None) / 0.02)
    fall = np.exp(-np.clip(share - off, 0, None) / 0.03)
    return rise * fall
