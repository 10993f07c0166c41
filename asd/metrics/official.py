"""The official score of a system, per section, per machine and over all (Eq. 8 and 9)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asd.metrics.roc import Floats, partial_auc, roc_auc
from asd.metrics.rules import QUALITIES, Measure, Rules, Section, quality_name

# The evaluator replaces smaller values before it takes a harmonic mean.
FLOOR = sys.float_info.epsilon


@dataclass(frozen=True)
class Means:
    """Both means of the values that are defined.

    Attributes:
        arithmetic: NaN where no value is defined.
        harmonic: of the values floored at the float epsilon; NaN where no value is defined.
        values: how many values entered.
        undefined: how many values were left out because they are NaN.
    """

    arithmetic: float
    harmonic: float
    values: int
    undefined: int

    def by(self, rules: Rules) -> float:
        """Return the mean that makes the score under ``rules``."""
        return self.arithmetic if rules.mean == "arithmetic" else self.harmonic


@dataclass(frozen=True)
class SectionResult:
    """The figures of one section; a figure that is undefined is NaN.

    Attributes:
        machine: machine type.
        section: section, two digits.
        clips: number of test clips.
        anomalies: number of anomalous clips among them.
        measures: the areas that enter the score, in the order of the rules.
        auc: area over all clips of the section.
        decisions: ``precision``, ``recall`` and ``f1`` in each domain of the rules (such as
            ``"f1_source"``), from that domain's clips alone; empty for a system without decisions.
    """

    machine: str
    section: str
    clips: int
    anomalies: int
    measures: Mapping[str, float]
    auc: float
    decisions: Mapping[str, float]

    @property
    def values(self) -> dict[str, float]:
        """Every figure by name."""
        return {**self.measures, "auc": self.auc, **self.decisions}


@dataclass(frozen=True)
class MachineResult:
    """The figures of one machine type: its means over sections and domains (Eq. 9)."""

    machine: str
    score: float
    means: Means
    sections: tuple[SectionResult, ...]


@dataclass(frozen=True)
class Evaluation:
    """The figures of one system under one year's rules.

    Attributes:
        rules: the year.
        score: the official score (Eq. 8), a fraction; NaN where nothing is defined.
        means: both means over the flat list of areas of all machines and sections.
        machines: by machine type, ascending.
        undefined: each value that is left out of the means, and why.
    """

    rules: Rules
    score: float
    means: Means
    machines: tuple[MachineResult, ...]
    undefined: tuple[str, ...]

    @property
    def scores(self) -> dict[str, float]:
        """The score of each machine type, and the official score over all as ``""``."""
        return {"": self.score, **{machine.machine: machine.score for machine in self.machines}}

    @property
    def sections(self) -> tuple[SectionResult, ...]:
        """Every section, by machine type."""
        return tuple(section for machine in self.machines for section in machine.sections)

    def to_json(self) -> dict[str, Any]:
        """Return nested mappings of fractions for JSON; an undefined value is None."""
        return {
            **_means_json(self.score, self.means),
            "values": self.means.values,
            "undefined": self.means.undefined,
            "machines": {machine.machine: _machine_json(machine) for machine in self.machines},
        }


def evaluate(sections: Iterable[Section], rules: Rules) -> Evaluation:
    """Return the official score of a system and all that it is made of.

    The score is one mean over the flat list of areas of all machines and sections, so a value
    that is undefined (an area without normals or without anomalies) is left out of every mean, is
    counted, and is named with its reason.

    Raises:
        ValueError: a section occurs twice.

    Example:
        >>> from asd.metrics.rules import RULES
        >>> labels, domains = np.array([0, 0, 1, 1], bool), np.array(["source", "target"] * 2)
        >>> scores = np.array([0.1, 0.6, 0.5, 0.9])
        >>> section = Section("fan", "00", ("a", "b", "c", "d"), labels, domains, scores)
        >>> found = evaluate([section], RULES["2022"])
        >>> {name: round(value, 3) for name, value in found.sections[0].measures.items()}
        {'auc_source': 1.0, 'auc_target': 0.5, 'pauc': 0.737}
        >>> round(found.score, 3)
        0.689
    """
    ordered = sorted(sections, key=lambda section: (section.machine, section.section))
    keys = [(section.machine, section.section) for section in ordered]
    if len(set(keys)) < len(keys):
        raise ValueError("a section occurs twice")
    results = tuple(
        _machine_result(machine, [_section_result(section, rules) for section in group], rules)
        for machine, group in groupby(ordered, key=lambda section: section.machine)
    )
    overall = means(_areas(section for result in results for section in result.sections))
    undefined = tuple(line for section in ordered for line in _undefined(section, rules))
    return Evaluation(rules, overall.by(rules), overall, results, undefined)


def means(values: ArrayLike) -> Means:
    """Return both means of the values that are not NaN.

    Example:
        >>> found = means([0.5, 1.0, math.nan])
        >>> found.arithmetic, round(found.harmonic, 4), found.undefined
        (0.75, 0.6667, 1)
    """
    given = np.asarray(values, dtype=np.float64)
    defined = given[~np.isnan(given)]
    missing = len(given) - len(defined)
    if len(defined) == 0:
        return Means(math.nan, math.nan, 0, missing)
    return Means(
        float(defined.mean()), float(harmonic_mean(defined, axis=0)), len(defined), missing
    )


def harmonic_mean(values: Floats, axis: int) -> Any:
    """Return the harmonic mean along an axis, each value floored at the float epsilon."""
    return values.shape[axis] / np.sum(1.0 / np.maximum(values, FLOOR), axis=axis)


def decision_quality(labels: ArrayLike, decisions: ArrayLike) -> tuple[float, float, float]:
    """Return precision, recall and F1 of decisions about the clips of one domain.

    As in the official evaluator, precision is 0 where no clip is called anomalous, and F1 is 0
    where precision and recall are. Without an anomaly among the clips all three are NaN.

    Args:
        labels: (N,), true for an anomaly.
        decisions: (N,), true where the system calls the clip anomalous.

    Example:
        >>> decision_quality([0, 0, 1, 1], [0, 1, 1, 1])
        (0.6666666666666666, 1.0, 0.8)
    """
    anomalous = np.asarray(labels, dtype=np.bool_)
    called = np.asarray(decisions, dtype=np.bool_)
    if not anomalous.any():
        return math.nan, math.nan, math.nan
    hits = float(np.sum(anomalous & called))
    precision = hits / max(float(called.sum()), FLOOR)
    recall = hits / float(anomalous.sum())
    return precision, recall, 2.0 * precision * recall / max(precision + recall, FLOOR)


def _section_result(section: Section, rules: Rules) -> SectionResult:
    return SectionResult(
        machine=section.machine,
        section=section.section,
        clips=len(section.names),
        anomalies=int(section.labels.sum()),
        measures={measure.name: _area(measure, section) for measure in rules.measures},
        auc=roc_auc(section.labels, section.scores),
        decisions={} if section.decisions is None else _decisions(section, rules),
    )


def _area(measure: Measure, section: Section) -> float:
    chosen = measure.clips(section)
    return partial_auc(section.labels[chosen], section.scores[chosen], measure.max_fpr)


def _decisions(section: Section, rules: Rules) -> dict[str, float]:
    decisions: NDArray[np.bool_] = np.asarray(section.decisions)
    by_domain = {
        domain: decision_quality(section.labels[chosen], decisions[chosen])
        for domain in rules.domains
        for chosen in [section.of_domain(domain)]
    }
    return {
        quality_name(quality, domain): values[position]
        for position, quality in enumerate(QUALITIES)
        for domain, values in by_domain.items()
    }


def _machine_result(machine: str, sections: Sequence[SectionResult], rules: Rules) -> MachineResult:
    of_machine = means(_areas(sections))
    return MachineResult(machine, of_machine.by(rules), of_machine, tuple(sections))


def _areas(sections: Iterable[SectionResult]) -> list[float]:
    return [value for section in sections for value in section.measures.values()]


def _undefined(section: Section, rules: Rules) -> Iterator[str]:
    for measure in rules.measures:
        labels = section.labels[measure.clips(section)]
        for kind, domain, present in (
            ("normal", measure.normals, bool((~labels).any())),
            ("anomalous", measure.anomalies, bool(labels.any())),
        ):
            if not present:
                where = f"{domain}-domain " if domain else ""
                yield f"{section} {measure.name}: no {kind} {where}clip"
                break


def _machine_json(machine: MachineResult) -> dict[str, Any]:
    return {
        **_means_json(machine.score, machine.means),
        "sections": {
            section.section: {
                "clips": section.clips,
                "anomalies": section.anomalies,
                **{name: _defined(value) for name, value in section.values.items()},
            }
            for section in machine.sections
        },
    }


def _means_json(score: float, of: Means) -> dict[str, float | None]:
    return {
        "score": _defined(score),
        "arithmetic_mean": _defined(of.arithmetic),
        "harmonic_mean": _defined(of.harmonic),
    }


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
