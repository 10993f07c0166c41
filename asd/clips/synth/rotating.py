"""Rotating machines: fan, gearbox and bearing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from asd.clips.synth.machine import Machine, Run, Values
from asd.clips.synth.signal import (
    RATE,
    Spectrum,
    decibels,
    knocks,
    passages,
    rotation,
    tone,
    wander,
)


class Fan(Machine):
    """An industrial fan.

    Blades passing the cut-off make tones at (blades x shaft rate) and its multiples; the flow makes
    broadband noise that falls above the tip's Strouhal frequency and swells with each blade
    (Neise, "Noise reduction in centrifugal fans", 1976); the motor hums at twice the mains.

    Faults: ``imbalance`` moves the shaft once a turn: a tone at the shaft rate, and side bands one
    shaft rate beside each blade-pass tone. ``clogging`` takes flow, and with it the upper part of
    the flow noise, and unloads the motor, which speeds up. ``rubbing`` is one blade touching the
    housing: a light knock a turn. ``fouling`` is dirt on some blades: they differ, and all
    multiples of the shaft rate appear between the blade-pass tones. ``motor`` is a worn motor
    bearing: a whistle with the rotation.
    """

    attributes: ClassVar[Mapping[str, Values]] = {"m-n": Values(("W", "X"), ("Y", "Z"))}
    faults = ("imbalance", "clogging", "rubbing", "fouling", "motor")
    level = 0.687
    loudness = 0.011
    noise = "m-n"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the fan alone; see :class:`Fan`."""
        unit, grid, random = run.unit, run.grid, run.random("machine")
        blades = 7
        speed = 24.0 * unit.vary("speed", 0.01) * (1.0 + 0.003 * random.standard_normal())
        speed *= 1.0 + run.amount("clogging", 0.003, 0.02)
        shaft = rotation(random, grid, speed, 0.001)
        orders = np.zeros(12 * blades)
        steepness = 0.8 * unit.vary("steepness", 0.03)
        orders[blades - 1 :: blades] = 0.5 / np.arange(1, 13) ** steepness
        orders *= unit.pattern("blades", orders.size, 0.25)
        order = np.arange(1, orders.size + 1)
        orders += 0.04 * unit.pattern("uneven", order.size, 0.5) * order**-0.5
        dirt = random.lognormal(0.0, 0.5, order.size) * order**-0.5
        orders += run.gain("fouling", -30, -13) * dirt
        orders[0] += run.gain("imbalance", -16, -1)
        sway = tone(random, shaft, [1.0])
        blade_tones = tone(random, shaft, orders)
        blade_tones *= 1.0 + (0.05 + run.amount("imbalance", 0.15, 0.9)) * sway
        blade_tones *= 1.0 + 0.08 * wander(random, grid, 4.0)
        hum = tone(random, rotation(random, grid, 100.0, 0.0002), 0.12 / np.arange(1, 6))
        force = blade_tones + hum

        strouhal = 700.0 * unit.vary("strouhal", 0.02)
        loss = run.amount("clogging", 0.3, 3.2)
        flow = grid.white(random) * grid.colour(
            [(20, -6), (strouhal, 0), (4 * strouhal, -9 - loss), (RATE / 2, -22 - 1.5 * loss)]
        )
        swell = 1.0 + 0.25 * tone(random, shaft * blades, [1.0]) + 0.08 * sway
        knock = knocks(grid, passages(shaft), run.gain("rubbing", 19, 33))
        worn = run.random("defect").uniform(60.0, 120.0)
        whistle = tone(random, shaft * worn, np.array([1.0, 0.5]) * run.gain("motor", -24, -8))
        casing = grid.modes(
            [
                (240 * unit.vary("casing", 0.012), 0.10, 1.2),
                (610 * unit.vary("casing", 0.012, 1), 0.06, 1.0),
                (1450 * unit.vary("casing", 0.012, 2), 0.05, 0.9),
                (2900 * unit.vary("casing", 0.012, 3), 0.04, 0.6),
            ]
        )
        sound = grid.spectrum(force + whistle) * (casing + 0.5) + grid.spectrum(knock) * casing
        return sound + grid.spectrum(grid.wave(flow) * (0.55 * swell))


class Gearbox(Machine):
    """A motor that turns a loaded gear pair.

    Teeth meshing make tones at (teeth x shaft rate) and its multiples, with side bands at both
    shaft rates because no gear runs quite true (Randall, "Vibration-based Condition Monitoring",
    2011). The voltage sets the speed; the load raises the mesh and slows the motor.

    Faults: ``tooth`` is a damaged tooth of the wheel: one knock a turn. ``wear`` takes the tooth
    profile: the multiples of the mesh grow. ``eccentricity`` deepens the side bands of the pinion.
    ``lubrication`` is a dry mesh: friction noise in the rhythm of the teeth. ``slipping`` loses
    speed by fits and starts.
    """

    attributes: ClassVar[Mapping[str, Values]] = {
        "volt": Values(("1.0", "1.5", "2.0"), ("1.3", "2.2")),
        "wt": Values(("0", "50", "100"), ("30", "150")),
    }
    faults = ("tooth", "wear", "eccentricity", "lubrication", "slipping")
    level = 0.419
    loudness = 0.018

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the gearbox alone; see :class:`Gearbox`."""
        unit, grid, random = run.unit, run.grid, run.random("machine")
        load = run.number("wt") / 100.0
        teeth, ratio = 19, 19 / 53
        speed = 16.0 * run.number("volt") * (1.0 - 0.05 * load) * unit.vary("speed", 0.04)
        speed *= 1.0 + 0.004 * random.standard_normal()
        slip = np.clip(wander(random, grid, 2.5), 0, None) * run.amount("slipping", 0.015, 0.1)
        pinion = rotation(random, grid, speed * (1.0 - slip), 0.0015)
        wheel = pinion * ratio

        profile = unit.pattern("profile", 8, 0.3) * np.arange(1, 9) ** -1.2
        profile[1:] *= decibels(run.amount("wear", 2.0, 9.0))
        strength = 0.5 * (0.7 + 0.5 * load)
        mesh = strength * tone(random, pinion * teeth, profile)
        depth = 0.2 * unit.vary("runout", 0.5) + run.amount("eccentricity", 0.3, 1.2)
        mesh *= 1.0 + depth * tone(random, pinion, [0.8, 0.4])
        mesh *= 1.0 + 0.2 * tone(random, wheel, [0.8, 0.4, 0.2])
        brush = tone(random, pinion * 8, 0.2 * unit.pattern("brush", 6, 0.3) / np.arange(1, 7))

        knock = knocks(grid, passages(wheel), run.gain("tooth", 20, 36))
        friction = grid.wave(
            grid.white(random) * grid.colour([(300, -20), (2500, 0), (5000, -3), (RATE / 2, -12)])
        )
        friction *= 1.0 + 0.6 * tone(random, pinion * teeth, [1.0])
        friction *= 0.25 * (0.8 + 0.3 * load) * decibels(run.amount("lubrication", 0.7, 5.0))
        casing = grid.modes(
            [
                (420 * unit.vary("casing", 0.035), 0.08, 1.0),
                (980 * unit.vary("casing", 0.035, 1), 0.05, 1.3),
                (1900 * unit.vary("casing", 0.035, 2), 0.04, 1.0),
                (3400 * unit.vary("casing", 0.035, 3), 0.03, 0.8),
            ]
        )
        sound = grid.spectrum(mesh + brush) * (casing + 0.3) + grid.spectrum(knock) * casing
        return sound + grid.spectrum(friction)


class Bearing(Machine):
    """A ball bearing on a driven shaft; ``vel`` is the shaft rate in turns a second.

    With n balls of diameter d on a pitch circle D and contact angle zero, a damaged spot is passed
    (Randall and Antoni, "Rolling element bearing diagnostics - a tutorial", 2011)

    * on the outer ring n/2 (1 - d/D) times a turn,
    * on the inner ring n/2 (1 + d/D) times a turn, stronger where the load is, so once a turn,
    * by a ball D/d (1 - (d/D)^2) times a turn (it meets both rings), with the cage's rhythm of
      1/2 (1 - d/D) turns.

    Balls slip a little, so the intervals are not quite equal. Each pass rings the housing.

    Faults: ``outer``, ``inner`` and ``ball`` are these; ``dry`` is a lack of grease, a friction
    noise at high frequencies; ``looseness`` lets the shaft rattle: its multiples grow.
    """

    attributes: ClassVar[Mapping[str, Values]] = {
        "vel": Values(("6", "10", "14", "18"), ("8", "22")),
        "loc": Values(("A", "B"), ("C", "D")),
    }
    faults = ("outer", "inner", "ball", "dry", "looseness")
    level = 0.635
    loudness = 0.008
    place = "loc"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the bearing alone; see :class:`Bearing`."""
        unit, grid, random = run.unit, run.grid, run.random("machine")
        speed = run.number("vel") * (1.0 + 0.004 * random.standard_normal())
        shaft = rotation(random, grid, speed, 0.0015)
        pace = (run.number("vel") / 14.0) ** 0.7

        orders = 0.25 * unit.pattern("shaft", 24, 0.3) * np.arange(1, 25) ** -0.9
        orders[1:] *= decibels(run.amount("looseness", 3.0, 11.0))
        drive = tone(random, shaft * 23, 0.45 * unit.pattern("drive", 6, 0.3) / np.arange(1, 7))
        drive *= 1.0 + 0.1 * wander(random, grid, 4.0)
        rolling = grid.wave(
            grid.white(random) * grid.colour([(50, 0), (800, -3), (3000, -10), (RATE / 2, -24)])
        )
        rolling *= 1.0 + 0.2 * tone(random, shaft, [1.0])
        dry = grid.white(random) * grid.colour([(500, -30), (3500, 0), (6000, 0), (RATE / 2, -9)])
        housing = grid.modes(
            [
                (520 * unit.vary("housing", 0.02), 0.08, 0.9),
                (1250 * unit.vary("housing", 0.02, 1), 0.05, 1.2),
                (2600 * unit.vary("housing", 0.02, 2), 0.03, 1.0),
                (4300 * unit.vary("housing", 0.02, 3), 0.03, 0.8),
            ]
        )
        force = pace * (tone(random, shaft, orders) + drive + 0.9 * rolling)
        hiss = np.float32(pace * (0.04 + run.gain("dry", -24, -9)))
        ringing = grid.spectrum(pace * self._defect(run, shaft)) * housing
        return grid.spectrum(force) * (housing + 0.4) + ringing + dry * hiss

    def _defect(self, run: Run, shaft: np.ndarray) -> np.ndarray:
        """Return the knocks (L,) of a damaged ring or ball."""
        balls, pitch = 8, 0.21 * run.unit.vary("pitch", 0.05)
        random = run.random("defect")
        cage = 0.5 * (1.0 - pitch)
        rates = {
            "outer": balls * cage,
            "inner": balls / 2 * (1.0 + pitch),
            "ball": (1.0 - pitch**2) / pitch,
        }
        strengths = {"outer": (22, 36), "inner": (20, 34), "ball": (18, 32)}
        if run.condition not in rates:
            return np.zeros(run.grid.size)
        at = passages(shaft * rates[run.condition], random.uniform())
        interval = RATE / (run.number("vel") * rates[run.condition])
        at = at + 0.015 * interval * random.standard_normal(at.size)
        rhythm = {"outer": 0.0, "inner": 1.0, "ball": cage}[run.condition]
        angle = 2 * np.pi * rhythm * np.interp(at, np.arange(shaft.size), shaft)
        load = 1.0 + 0.8 * np.cos(angle) * (rhythm > 0)
        strength = run.gain(run.condition, *strengths[run.condition])
        return knocks(run.grid, at, strength * load * random.lognormal(0.0, 0.25, at.size))
