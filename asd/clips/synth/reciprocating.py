"""Machines that go to and fro: slide rail and solenoid valve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from asd.clips.synth.machine import Machine, Run, Values
from asd.clips.synth.signal import (
    RATE,
    Spectrum,
    Wave,
    burst,
    decibels,
    knocks,
    passages,
    tone,
    wander,
)


class Slider(Machine):
    """A linear slide rail on a ball screw; ``vel`` in mm/s, ``ac`` in g.

    The carriage goes to and fro with a trapezoidal speed profile and a pause at each end. Its
    rolling noise grows with the speed, and the faster the higher the frequency; balls entering the
    load zone and the screw's motor sing with a frequency that follows the speed.

    Faults: ``pit`` is a damaged spot on the rail: a knock at the same place of each stroke.
    ``sticking`` stops and frees the carriage some times a stroke, with a crack. ``belt`` is a loose
    coupling: a rattle of knocks whenever the carriage accelerates. ``dry`` is a lack of grease:
    more noise at high frequencies. ``stop`` is a worn end cushion: a thud at the ends.
    """

    attributes: ClassVar[Mapping[str, Values]] = {
        "vel": Values(("400", "500", "600"), ("300", "850")),
        "ac": Values(("0.10", "0.20"), ("0.05", "0.30")),
    }
    faults = ("pit", "sticking", "belt", "dry", "stop")
    level = 0.435
    loudness = 0.009

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the slide rail alone; see :class:`Slider`."""
        unit, grid, random = run.unit, run.grid, run.random("machine")
        position, speed, ends = self._strokes(run, random)
        pace = speed / 500.0
        balls = tone(
            random,
            position / (5.2 * unit.vary("ball", 0.02)),
            0.3 * unit.pattern("balls", 5, 0.3) / np.arange(1, 6),
        )
        motor = tone(
            random,
            position / (10.0 * unit.vary("screw", 0.02)) * 12,
            0.35 * unit.pattern("motor", 4, 0.3) / np.arange(1, 5),
        )
        low = grid.wave(grid.white(random) * grid.colour([(40, 0), (600, -4), (2500, -22)]))
        bright = 3600 * unit.vary("bright", 0.03)
        high = grid.wave(
            grid.white(random) * grid.colour([(400, -28), (bright, 0), (RATE / 2, -5)])
        )
        high *= decibels(run.amount("dry", 1.0, 6.0))
        rolling = pace * (0.8 * low + balls + motor) + 0.5 * pace**2 * high
        thud = knocks(
            grid,
            ends,
            (12.0 * unit.vary("cushion", 0.4) + run.gain("stop", 28, 43)) * np.ones(ends.size),
        )
        carriage = grid.modes(
            [
                (330 * unit.vary("carriage", 0.015), 0.10, 1.0),
                (870 * unit.vary("carriage", 0.015, 1), 0.06, 1.0),
                (2100 * unit.vary("carriage", 0.015, 2), 0.04, 0.9),
                (5200 * unit.vary("carriage", 0.015, 3), 0.03, 0.7),
            ]
        )
        blows = grid.spectrum(thud + self._blows(run, position, speed))
        return grid.spectrum(rolling) * (carriage + 0.5) + blows * carriage

    def _strokes(self, run: Run, random: np.random.Generator) -> tuple[Wave, Wave, Wave]:
        """Return way gone in mm (L,), speed in mm/s (L,) and the samples of the ends (M,)."""
        fastest = run.number("vel") * (1.0 + 0.01 * random.standard_normal())
        rise = fastest / (9810.0 * run.number("ac"))
        length = 300.0 * run.unit.vary("length", 0.06)
        # a stroke too short for the full speed turns around before it is reached
        rise = min(rise, np.sqrt(length / (9810.0 * run.number("ac"))))
        fastest = min(fastest, rise * 9810.0 * run.number("ac"))
        stroke = rise + length / fastest
        pause = 0.22 * run.unit.vary("pause", 0.2)
        time = np.arange(run.grid.size) / RATE + random.uniform(0, stroke + pause)
        within = time % (stroke + pause)
        ramp = np.clip(np.minimum(within, stroke - within) / rise, 0.0, 1.0)
        speed = fastest * ramp * (1.0 + 0.02 * wander(random, run.grid, 8.0))
        ends = passages(time, stroke, stroke + pause)
        return np.cumsum(speed) / RATE, speed, ends

    def _blows(self, run: Run, position: Wave, speed: Wave) -> Wave:
        """Return the knocks (L,) of the faults that knock."""
        grid, random = run.grid, run.random("defect")
        length = 300.0 * run.unit.vary("length", 0.06)
        blows = np.zeros(grid.size)
        if run.condition == "pit":
            place = random.uniform(0.2, 0.8) * length
            there = passages(position, place, 2 * length)
            back = passages(position, 2 * length - place, 2 * length)
            strength = run.gain("pit", 32, 46)
            blows += knocks(grid, np.concatenate([there, back]), strength)
        if run.condition == "sticking":
            cracks = passages(position, 0.0, length / random.uniform(2.5, 5.5))
            cracks = cracks + RATE * 0.02 * random.standard_normal(cracks.size)
            strengths = run.gain("sticking", 26, 39) * random.lognormal(0.0, 0.4, cracks.size)
            trail = grid.wave(grid.white(random) * grid.colour([(500, -20), (2500, 0), (8000, -6)]))
            blows += knocks(grid, cracks, strengths)
            blows += 0.03 * trail * burst(grid, cracks, strengths, 0.02)
        if run.condition == "belt":
            rattle = np.arange(0, grid.size, RATE / random.uniform(32, 50))
            rattle = rattle + 0.08 * (rattle[1] - rattle[0]) * random.standard_normal(rattle.size)
            inside = np.clip(rattle, 0, grid.size - 1).astype(np.int64)
            effort = np.abs(np.gradient(speed[:: RATE // 50], 0.02))[inside // (RATE // 50)] / 9810
            steady = np.clip(effort / 0.03, 0.0, 1.0)
            blows += knocks(grid, rattle, run.gain("belt", 11, 26) * steady)
        return blows


_PATTERNS = {
    "00": (0.55, 0.55),
    "01": (0.30, 0.30, 0.30, 0.80),
    "02": (0.15, 0.25),
    "03": (0.90, 1.10),
}
"""Seconds open and closed in turn, repeated."""


class Valve(Machine):
    """A solenoid valve that opens and closes in a pattern (``pat``), with air behind it.

    A switch is a click: the plunger strikes its seat, stronger on opening. While open, air hisses,
    most at first, as pressure falls; a coil under current hums at twice the mains.

    Faults: ``leak`` lets some air through when closed. ``sticking`` opens late and by a weak
    stroke. ``chatter`` lets the plunger bounce, a row of ever closer knocks after the click.
    ``clogging`` takes air, first the upper part of the hiss. ``coil`` is a damaged shading ring:
    the plunger buzzes while it is held.
    """

    attributes: ClassVar[Mapping[str, Values]] = {"pat": Values(("00", "01"), ("02", "03"))}
    faults = ("leak", "sticking", "chatter", "clogging", "coil")
    level = 0.18
    loudness = 0.006

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the valve alone; see :class:`Valve`."""
        unit, grid, random = run.unit, run.grid, run.random("machine")
        opens, closes, held = self._switching(run, random)
        nozzle = 3800 * unit.vary("nozzle", 0.10)
        loss = run.amount("clogging", 2.0, 10.0)
        air = grid.wave(
            grid.white(random)
            * grid.colour([(300, -30), (nozzle, 0), (1.7 * nozzle, -3 - loss), (8000, -8 - loss)])
        )
        rush = burst(grid, opens, 1.0, 0.04 * unit.vary("tank", 0.2))
        flow = decibels(-loss) * (0.9 * rush + 0.04 * held) + run.gain("leak", -38, -20)
        clicks = self._clicks(run, random, opens, closes)
        buzz = np.arange(1, 25) ** -0.7 * (
            0.03 * unit.pattern("coil", 24, 0.4) + run.gain("coil", -28, -10)
        )
        coil = held * tone(random, 100.0 * np.arange(grid.size) / RATE, buzz)
        body = grid.modes(
            [
                (700 * unit.vary("body", 0.025), 0.08, 0.6),
                (1700 * unit.vary("body", 0.025, 1), 0.04, 0.9),
                (3300 * unit.vary("body", 0.025, 2), 0.03, 1.2),
                (5600 * unit.vary("body", 0.025, 3), 0.03, 1.2),
            ]
        )
        return grid.spectrum(clicks + coil) * (body + 0.05) + grid.spectrum(air * flow)

    def _switching(self, run: Run, random: np.random.Generator) -> tuple[Wave, Wave, Wave]:
        """Return the samples of openings and closings (M,), and 1 while held open (L,)."""
        pattern = np.array(_PATTERNS[run.attributes["pat"]]) * run.unit.vary("tempo", 0.05)
        pattern = pattern * (1.0 + 0.005 * random.standard_normal())
        cycle = float(pattern.sum())
        count = int(run.grid.seconds / cycle) + 2
        edges = np.cumsum(np.tile(pattern, count)) - random.uniform(0, cycle)
        opens, closes = edges[1::2][:-1], edges[2::2]
        late = run.amount("sticking", 0.02, 0.10) * random.uniform(0.5, 1.5, opens.size)
        opens = opens + late + 0.002 * random.standard_normal(opens.size)
        time = np.arange(run.grid.size) / RATE
        held = np.searchsorted(opens, time) - np.searchsorted(closes, time)
        inside = (opens > 0) & (opens < run.grid.seconds)
        ended = (closes > 0) & (closes < run.grid.seconds)
        return opens[inside] * RATE, closes[ended] * RATE, np.clip(held, 0, 1).astype(float)

    def _clicks(self, run: Run, random: np.random.Generator, opens: Wave, closes: Wave) -> Wave:
        """Return the strokes (L,) of the plunger, with its bounces."""
        grid, unit = run.grid, run.unit
        weak = decibels(-run.amount("sticking", 3.0, 14.0))
        up = 24.0 * unit.vary("stroke", 0.2) * weak * random.lognormal(0.0, 0.12, opens.size)
        down = 15.0 * random.lognormal(0.0, 0.12, closes.size)
        second = 0.007 * unit.vary("second", 0.4)
        clicks = knocks(grid, opens, up) + knocks(grid, closes, down)
        clicks += knocks(grid, opens + second * RATE, 0.5 * up)
        bounce = run.gain("chatter", -12, 2)
        if bounce:
            after = np.cumsum(0.024 * 0.8 ** np.arange(7))
            for number, delay in enumerate(after):
                size = bounce * 0.85**number * random.lognormal(0.0, 0.3, opens.size)
                clicks += knocks(grid, opens + delay * RATE, up * size)
        return clicks
