"""Machines of a factory: slide rail and solenoid valve; fan, gearbox and bearing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from asd.synth.machine import (
    RATE,
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
    level = 0.472
    loudness = 0.009

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the slide rail alone; see :class:`Slider`."""
        grid, random = run.grid, run.random("machine")
        position, speed, ends = self._strokes(run, random)
        pace = speed / 500.0
        balls = tone(
            random,
            position / (5.2 * run.vary("ball", 0.08)),
            0.3 * run.pattern("balls", 5, 0.6) / np.arange(1, 6),
        )
        motor = tone(
            random,
            position / (10.0 * run.vary("screw", 0.08)) * 12,
            0.35 * run.pattern("motor", 4, 0.6) / np.arange(1, 5),
        )
        low = grid.wave(grid.noise(random, [(40, 0), (600, -4), (2500, -22)]))
        bright = 3600 * run.vary("bright", 0.12)
        high = grid.wave(grid.noise(random, [(400, -28), (bright, 0), (RATE / 2, -5)]))
        high *= decibels(run.amount("dry", 1.0, 6.0))
        rolling = pace * (0.8 * low + balls + motor) + 0.5 * pace**2 * high
        thud = knocks(
            grid,
            ends,
            (12.0 * run.vary("cushion", 0.5) + run.gain("stop", 32, 47)) * np.ones(ends.size),
        )
        carriage = run.structure(
            "carriage",
            0.06,
            [(330, 0.10, 1.0), (870, 0.06, 1.0), (2100, 0.04, 0.9), (5200, 0.03, 0.7)],
        )
        blows = grid.spectrum(thud + self._blows(run, position, speed))
        return grid.spectrum(rolling) * (carriage + 0.5) + blows * carriage

    def _strokes(self, run: Run, random: np.random.Generator) -> tuple[Wave, Wave, Wave]:
        """Return way gone in mm (L,), speed in mm/s (L,) and the samples of the ends (M,)."""
        fastest = run.number("vel") * (1.0 + 0.01 * random.standard_normal())
        rise = fastest / (9810.0 * run.number("ac"))
        length = 300.0 * run.vary("length", 0.24)
        # a stroke too short for the full speed turns around before it is reached
        rise = min(rise, np.sqrt(length / (9810.0 * run.number("ac"))))
        fastest = min(fastest, rise * 9810.0 * run.number("ac"))
        stroke = rise + length / fastest
        pause = 0.22 * run.vary("pause", 0.5)
        time = np.arange(run.grid.size) / RATE + random.uniform(0, stroke + pause)
        within = time % (stroke + pause)
        ramp = np.clip(np.minimum(within, stroke - within) / rise, 0.0, 1.0)
        speed = fastest * ramp * (1.0 + 0.02 * wander(random, run.grid, 8.0))
        ends = passages(time, stroke, stroke + pause)
        return np.cumsum(speed) / RATE, speed, ends

    def _blows(self, run: Run, position: Wave, speed: Wave) -> Wave:
        """Return the knocks (L,) of the faults that knock."""
        grid, random = run.grid, run.random("defect")
        length = 300.0 * run.vary("length", 0.24)
        blows = np.zeros(grid.size)
        if run.condition == "pit":
            place = random.uniform(0.2, 0.8) * length
            there = passages(position, place, 2 * length)
            back = passages(position, 2 * length - place, 2 * length)
            strength = run.gain("pit", 36, 50)
            blows += knocks(grid, np.concatenate([there, back]), strength)
        if run.condition == "sticking":
            cracks = passages(position, 0.0, length / random.uniform(2.5, 5.5))
            cracks = cracks + RATE * 0.02 * random.standard_normal(cracks.size)
            strengths = run.gain("sticking", 30, 43) * random.lognormal(0.0, 0.4, cracks.size)
            trail = grid.wave(grid.noise(random, [(500, -20), (2500, 0), (8000, -6)]))
            blows += knocks(grid, cracks, strengths)
            blows += 0.03 * trail * burst(grid, cracks, strengths, 0.02)
        if run.condition == "belt":
            rattle = np.arange(0, grid.size, RATE / random.uniform(32, 50))
            rattle = rattle + 0.08 * (rattle[1] - rattle[0]) * random.standard_normal(rattle.size)
            inside = np.clip(rattle, 0, grid.size - 1).astype(np.int64)
            effort = np.abs(np.gradient(speed[:: RATE // 50], 0.02))[inside // (RATE // 50)] / 9810
            steady = np.clip(effort / 0.03, 0.0, 1.0)
            blows += knocks(grid, rattle, run.gain("belt", 15, 30) * steady)
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
    level = 0.188
    loudness = 0.006

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the valve alone; see :class:`Valve`."""
        grid, random = run.grid, run.random("machine")
        opens, closes, held = self._switching(run, random)
        nozzle = 3800 * run.vary("nozzle", 0.4)
        loss = run.amount("clogging", 2.0, 10.0)
        air = grid.wave(
            grid.noise(
                random, [(300, -30), (nozzle, 0), (1.7 * nozzle, -3 - loss), (8000, -8 - loss)]
            )
        )
        rush = burst(grid, opens, 1.0, 0.04 * run.vary("tank", 0.5))
        flow = decibels(-loss) * (0.9 * rush + 0.04 * held) + run.gain("leak", -34, -16)
        clicks = self._clicks(run, random, opens, closes)
        buzz = np.arange(1, 25) ** -0.7 * (
            0.03 * run.pattern("coil", 24, 0.8) + run.gain("coil", -24, -6)
        )
        coil = held * tone(random, 100.0 * np.arange(grid.size) / RATE, buzz)
        body = run.structure(
            "body",
            0.1,
            [(700, 0.08, 0.6), (1700, 0.04, 0.9), (3300, 0.03, 1.2), (5600, 0.03, 1.2)],
        )
        return grid.spectrum(clicks + coil) * (body + 0.05) + grid.spectrum(air * flow)

    def _switching(self, run: Run, random: np.random.Generator) -> tuple[Wave, Wave, Wave]:
        """Return the samples of openings and closings (M,), and 1 while held open (L,)."""
        pattern = np.array(_PATTERNS[run.attributes["pat"]]) * run.vary("tempo", 0.2)
        pattern = pattern * (1.0 + 0.015 * random.standard_normal())
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
        grid = run.grid
        weak = decibels(-run.amount("sticking", 3.0, 14.0))
        up = 24.0 * run.vary("stroke", 0.5) * weak * random.lognormal(0.0, 0.12, opens.size)
        down = 15.0 * random.lognormal(0.0, 0.12, closes.size)
        second = 0.007 * run.vary("second", 0.5)
        clicks = knocks(grid, opens, up) + knocks(grid, closes, down)
        clicks += knocks(grid, opens + second * RATE, 0.5 * up)
        bounce = run.gain("chatter", -8, 6)
        if bounce:
            after = np.cumsum(0.024 * 0.8 ** np.arange(7))
            for number, delay in enumerate(after):
                size = bounce * 0.85**number * random.lognormal(0.0, 0.3, opens.size)
                clicks += knocks(grid, opens + delay * RATE, up * size)
        return clicks


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
    level = 0.724
    loudness = 0.011
    noise = "m-n"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the fan alone; see :class:`Fan`."""
        grid, random = run.grid, run.random("machine")
        blades = 7
        speed = 24.0 * run.vary("speed", 0.04) * (1.0 + 0.009 * random.standard_normal())
        speed *= 1.0 + run.amount("clogging", 0.003, 0.02)
        shaft = rotation(random, grid, speed, 0.001)
        orders = np.zeros(12 * blades)
        steepness = 0.8 * run.vary("steepness", 0.12)
        orders[blades - 1 :: blades] = 0.5 / np.arange(1, 13) ** steepness
        orders *= run.pattern("blades", orders.size, 0.5)
        order = np.arange(1, orders.size + 1)
        orders += 0.04 * run.pattern("uneven", order.size, 1) * order**-0.5
        dirt = random.lognormal(0.0, 0.5, order.size) * order**-0.5
        orders += run.gain("fouling", -26, -9) * dirt
        orders[0] += run.gain("imbalance", -12, 3)
        sway = tone(random, shaft, [1.0])
        blade_tones = tone(random, shaft, orders)
        blade_tones *= 1.0 + (0.05 + run.amount("imbalance", 0.15, 0.9)) * sway
        blade_tones *= 1.0 + 0.08 * wander(random, grid, 4.0)
        hum = tone(random, rotation(random, grid, 100.0, 0.0002), 0.12 / np.arange(1, 6))
        force = blade_tones + hum

        strouhal = 700.0 * run.vary("strouhal", 0.08)
        loss = run.amount("clogging", 0.3, 3.2)
        flow = grid.noise(
            random,
            [(20, -6), (strouhal, 0), (4 * strouhal, -9 - loss), (RATE / 2, -22 - 1.5 * loss)],
        )
        swell = 1.0 + 0.25 * tone(random, shaft * blades, [1.0]) + 0.08 * sway
        knock = knocks(grid, passages(shaft), run.gain("rubbing", 23, 37))
        worn = run.random("defect").uniform(60.0, 120.0)
        whistle = tone(random, shaft * worn, np.array([1.0, 0.5]) * run.gain("motor", -20, -4))
        casing = run.structure(
            "casing",
            0.048,
            [(240, 0.10, 1.2), (610, 0.06, 1.0), (1450, 0.05, 0.9), (2900, 0.04, 0.6)],
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
    level = 0.495
    loudness = 0.018

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the gearbox alone; see :class:`Gearbox`."""
        grid, random = run.grid, run.random("machine")
        load = run.number("wt") / 100.0
        teeth, ratio = 19, 19 / 53
        speed = 16.0 * run.number("volt") * (1.0 - 0.05 * load) * run.vary("speed", 0.16)
        speed *= 1.0 + 0.012 * random.standard_normal()
        slip = np.clip(wander(random, grid, 2.5), 0, None) * run.amount("slipping", 0.015, 0.1)
        pinion = rotation(random, grid, speed * (1.0 - slip), 0.0015)
        wheel = pinion * ratio

        profile = run.pattern("profile", 8, 0.6) * np.arange(1, 9) ** -1.2
        profile[1:] *= decibels(run.amount("wear", 2.0, 9.0))
        strength = 0.5 * (0.7 + 0.5 * load)
        mesh = strength * tone(random, pinion * teeth, profile)
        depth = 0.2 * run.vary("runout", 0.5) + run.amount("eccentricity", 0.3, 1.2)
        mesh *= 1.0 + depth * tone(random, pinion, [0.8, 0.4])
        mesh *= 1.0 + 0.2 * tone(random, wheel, [0.8, 0.4, 0.2])
        brush = tone(random, pinion * 8, 0.2 * run.pattern("brush", 6, 0.6) / np.arange(1, 7))

        knock = knocks(grid, passages(wheel), run.gain("tooth", 24, 40))
        friction = grid.wave(
            grid.noise(random, [(300, -20), (2500, 0), (5000, -3), (RATE / 2, -12)])
        )
        friction *= 1.0 + 0.6 * tone(random, pinion * teeth, [1.0])
        friction *= 0.25 * (0.8 + 0.3 * load) * decibels(run.amount("lubrication", 0.7, 5.0))
        casing = run.structure(
            "casing",
            0.14,
            [(420, 0.08, 1.0), (980, 0.05, 1.3), (1900, 0.04, 1.0), (3400, 0.03, 0.8)],
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
    level = 0.7
    loudness = 0.008
    place = "loc"

    def sound(self, run: Run) -> Spectrum:
        """Return the spectrum (K,) of the bearing alone; see :class:`Bearing`."""
        grid, random = run.grid, run.random("machine")
        speed = run.number("vel") * (1.0 + 0.012 * random.standard_normal())
        shaft = rotation(random, grid, speed, 0.0015)
        pace = (run.number("vel") / 14.0) ** 0.7

        orders = 0.25 * run.pattern("shaft", 24, 0.6) * np.arange(1, 25) ** -0.9
        orders[1:] *= decibels(run.amount("looseness", 3.0, 11.0))
        drive = tone(random, shaft * 23, 0.45 * run.pattern("drive", 6, 0.6) / np.arange(1, 7))
        drive *= 1.0 + 0.1 * wander(random, grid, 4.0)
        rolling = grid.wave(grid.noise(random, [(50, 0), (800, -3), (3000, -10), (RATE / 2, -24)]))
        rolling *= 1.0 + 0.2 * tone(random, shaft, [1.0])
        dry = grid.noise(random, [(500, -30), (3500, 0), (6000, 0), (RATE / 2, -9)])
        housing = run.structure(
            "housing",
            0.08,
            [(520, 0.08, 0.9), (1250, 0.05, 1.2), (2600, 0.03, 1.0), (4300, 0.03, 0.8)],
        )
        force = pace * (tone(random, shaft, orders) + drive + 0.9 * rolling)
        hiss = np.float32(pace * (0.04 + run.gain("dry", -20, -5)))
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
        strengths = {"outer": (26, 40), "inner": (24, 38), "ball": (22, 36)}
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
