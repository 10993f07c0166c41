"""The figures of ``metrics.json``, of one run or of several seeds together."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from asd.errors import JobError, UsageError, one_line
from asd.metrics.truth import Key

Line = tuple[Sequence[float], Sequence[float]]  # xs and ys


@dataclass(frozen=True)
class Behind:
    """How far a score is from the best one: the paired difference, and its 95 % interval."""

    best: str
    value: float
    low: float
    high: float

    @property
    def is_tie(self) -> bool:
        """Whether it is no difference, as tenths of a percent show it."""
        return abs(self.value) < 0.0005

    @property
    def is_clear(self) -> bool:
        """Whether other test clips would hardly turn the order."""
        return self.high < 0


@dataclass(frozen=True)
class Figure:
    """A score as a fraction.

    Attributes:
        value: the score, or its mean over several seeds; NaN where undefined.
        low, high: ends of the 95 % interval over other test clips; NaN where there is none.
        deviation: sample standard deviation over seeds; NaN for one seed.
        behind: how far it is from the best; None for the best, and where that is not known.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    deviation: float = math.nan
    behind: Behind | None = None

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True)
class SystemResult:
    """The figures of one system.

    Attributes:
        score: over all machines.
        machines: of each machine type.
        sections: of each (machine, section), every measure by name; NaN where undefined.
        notes: values that are undefined and sections without labels, with the reason.
    """

    score: Figure
    machines: Mapping[str, Figure]
    sections: Mapping[Key, Mapping[str, float]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """The figures of every system under one year's rules.

    Attributes:
        rules: the challenge year.
        systems: by name, in the order of the file.
        seeds: how many runs the figures are the mean of.
        resamples: resamples of the intervals; 0 without.
        seed: seed of the resamples.
    """

    rules: str
    systems: Mapping[str, SystemResult]
    seeds: int = 1
    resamples: int = 0
    seed: int = 0

    @property
    def machines(self) -> tuple[str, ...]:
        """Every machine type that has a figure, in the order of the file."""
        names = (machine for system in self.systems.values() for machine in system.machines)
        return tuple(dict.fromkeys(names))

    def figure(self, system: str, machine: str | None = None) -> Figure:
        """Return a system's score on a machine, or over all; undefined where it has none."""
        result = self.systems[system]
        return result.score if machine is None else result.machines.get(machine, Figure(math.nan))

    def ranked(self, machine: str | None = None) -> tuple[str, ...]:
        """Return the systems, best first; those without a score come last."""
        value = {name: self.figure(name, machine).value for name in self.systems}
        return tuple(sorted(value, key=lambda n: math.inf if math.isnan(value[n]) else -value[n]))

    def best(self, machine: str | None = None) -> str | None:
        """Return the system with the highest score, on a machine or over all; None without any."""
        name = next(iter(self.ranked(machine)), None)
        undefined = name is None or math.isnan(self.figure(name, machine).value)
        return None if undefined else name


def read_results(paths: Sequence[Path]) -> Results:
    """Read ``metrics.json`` of one run, or of several seeds as means and standard deviations.

    Intervals and sections are those of the first file when there are several.

    Raises:
        UsageError: a file is missing, or the files are of different rules or systems.
        JobError: a file is no such JSON.
    """
    runs = [_read(path) for path in paths]
    first = runs[0]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        if (run.rules, set(run.systems)) != (first.rules, set(first.systems)):
            raise UsageError(
                f"{path}: not of the same rules and systems as {paths[0]};"
                " give runs that differ in the seed alone"
            )
    if len(runs) == 1:
        return first
    systems = {
        name: SystemResult(
            _over_seeds([run.systems[name].score for run in runs]),
            {
                machine: _over_seeds([run.figure(name, machine) for run in runs])
                for machine in result.machines
            },
            result.sections,
            result.notes,
        )
        for name, result in first.systems.items()
    }
    return Results(first.rules, systems, len(runs), first.resamples, first.seed)


def _over_seeds(figures: Sequence[Figure]) -> Figure:
    # An interval over clips says nothing of a mean over seeds, so it is dropped.
    values = [figure.value for figure in figures]
    if any(map(math.isnan, values)):
        return Figure(math.nan)
    return Figure(fmean(values), deviation=stdev(values))


def _read(path: Path) -> Results:
    try:
        return parse_results(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run 'asd evaluate' first") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {one_line(error)}"
        raise JobError(f"{path}: not metrics ({why}); run 'asd evaluate' again") from None


def parse_results(document: Mapping[str, Any]) -> Results:
    """Return the figures that ``metrics.json`` holds."""
    return Results(
        rules=str(document["rules"]),
        systems={name: _system(values) for name, values in document["systems"].items()},
        resamples=int(document["bootstrap"]["resamples"]),
        seed=int(document["bootstrap"]["seed"]),
    )


def _system(values: Mapping[str, Any]) -> SystemResult:
    machines: Mapping[str, Any] = values["machines"]
    sections = {
        (machine, section): {name: _fraction(value) for name, value in measures.items()}
        for machine, of_machine in machines.items()
        for section, measures in of_machine["sections"].items()
    }
    notes = (*values.get("undefined_values", ()), *values.get("unlabelled", ()))
    figures = {machine: _figure(of_machine) for machine, of_machine in machines.items()}
    return SystemResult(_figure(values), figures, sections, tuple(map(str, notes)))


def _figure(values: Mapping[str, Any]) -> Figure:
    interval: Mapping[str, Any] = values.get("interval", {})
    low, high = (_fraction(interval.get(end)) for end in ("low", "high"))
    behind = None
    if found := values.get("behind"):
        ends = (_fraction(found["interval"][end]) for end in ("low", "high"))
        behind = Behind(str(found["best"]), _fraction(found["difference"]), *ends)
    return Figure(_fraction(values["score"]), low, high, behind=behind)


def _fraction(value: float | None) -> float:
    return math.nan if value is None else float(value)
