"""A kind of machine, a unit of that kind, and one run of that unit in front of the microphone."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from asd.clips.synth.signal import Grid, Spectrum, Wave, decibels

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

    def random(self, what: str) -> np.random.Generator:
        """Return this run's generator for ``what``: a fault leaves all other draws as they were."""
        unit = self.unit
        return generator(unit.seed, unit.machine, unit.section, self.clip, what)

    def number(self, attribute: str) -> float:
        """Return the number in an attribute's value (``"28V"`` is 28)."""
        return float(self.attributes[attribute].rstrip("V"))

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
