"""A system fitted to banks: one scorer, or several whose standardised scores are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asd.config import SystemConfig
from asd.errors import JobError, UsageError
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.base import FittedScorer, Scorer

Join = Literal["mean", "max"]
Clip = tuple[str, str]


@dataclass(frozen=True)
class SystemScores:
    """What one system says of a machine's clips.

    Attributes:
        system: its name.
        clips: (N,) section and name of each test clip.
        scores: (N,) float64, their anomaly scores.
        windows: (N,) int64, of how many windows each score is made; 1 of a clip's own.
    """

    system: str
    clips: tuple[Clip, ...]
    scores: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Member:
    """A scorer over one embedding of one model.

    Attributes:
        model: whose bank is read.
        embedding: the array of the bank that stands for the embedding.
        scorer: not yet fitted.
    """

    model: str
    embedding: str
    scorer: Scorer

    def view(self, arrays: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
        """Return the arrays as the scorer reads them, with the chosen one as ``embedding``.

        Raises:
            UsageError: ``where`` has no such array.
        """
        if self.embedding == "embedding":
            return dict(arrays)
        if self.embedding not in arrays:
            known = ", ".join(sorted(arrays)) or "none"
            raise UsageError(
                f"model {self.model} gives no embedding '{self.embedding}' in the {where};"
                f" arrays there: {known}"
            )
        return {**arrays, "embedding": arrays[self.embedding]}


@dataclass(frozen=True)
class Scale:
    """Where a member's scores of one section lie when the sound is normal.

    Attributes:
        mean, deviation: of its leave-one-out training scores; a deviation of 1 where they are all
            the same, so that scores are only centred.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, training_scores: np.ndarray) -> Scale:
        """Return the scale of leave-one-out scores (N,)."""
        mean, deviation = float(training_scores.mean()), float(training_scores.std())
        alike = deviation <= 1e-12 * np.abs(training_scores).max()
        return cls(mean, 1.0 if alike else deviation)

    def standardise(self, scores: np.ndarray) -> np.ndarray:
        """Return scores (n,) in deviations from the mean."""
        standardised: np.ndarray = (scores - self.mean) / self.deviation
        return standardised


@dataclass(frozen=True)
class FittedSystem:
    """One member or more, fitted to the banks of a machine; see :func:`fit_system`.

    The scores of one member are taken as they are. Those of several are standardised by the mean
    and deviation of each member's own leave-one-out training scores of the section, and joined; no
    statistic of test clips is used. Training scores are joined in the same way.

    Attributes:
        members: what is joined.
        fitted: the fitted scorer of each.
        views: what each reads of its bank, (N, ...) by name.
        own: the leave-one-out scores (N,) of each, as it gives them.
        bank: the first member's bank; those of the others hold the same clips.
        join: the mean or the maximum over members.
        scales: of each member, by section; none where there is one member.
        calibrating: (N,) which of the bank's clips thresholds and scales are found from: those
            that no model has learned from, all where it is not known of any.
    """

    members: tuple[Member, ...]
    fitted: tuple[FittedScorer, ...]
    views: tuple[Mapping[str, np.ndarray], ...]
    own: tuple[np.ndarray, ...]
    bank: Bank
    join: Join
    scales: tuple[Mapping[str, Scale], ...]
    calibrating: np.ndarray

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that can be scored, sorted."""
        return self.fitted[0].sections

    @property
    def rows(self) -> Mapping[str, np.ndarray]:
        """The bank's rows of each section."""
        return self.fitted[0].rows

    def score(
        self, outputs: Mapping[str, Mapping[str, np.ndarray]], sections: Sequence[str]
    ) -> np.ndarray:
        """Return the anomaly scores (N,) float64 of test clips.

        Args:
            outputs: by model, what it gave for each test clip, (N, ...) by name.
            sections: (N,) the section of each test clip.

        Raises:
            UsageError: a section has no training clips, or an array is missing.
            JobError: an array holds a value that is not finite.
        """
        found = [
            fitted.score(member.view(outputs[member.model], "outputs"), sections)
            for member, fitted in zip(self.members, self.fitted, strict=True)
        ]
        return self._joined(found, np.array(sections, dtype=str))

    def training_scores(self) -> np.ndarray:
        """Return the leave-one-out scores (N,) float64 of the bank's clips, in its order."""
        return self._joined(self.own, np.array(self.bank.section, dtype=str))

    def calibration(self) -> dict[str, np.ndarray]:
        """Return the training scores (n,) that thresholds are found from, by section."""
        scores = self.training_scores()
        return {section: scores[self.calibrating_rows(section)] for section in self.rows}

    def calibrating_rows(self, section: str) -> np.ndarray:
        """Return the bank's rows (n,) that a section's thresholds are found from."""
        rows = self.rows[section]
        found: np.ndarray = rows[self.calibrating[rows]]
        return found

    def _joined(self, scores: Sequence[np.ndarray], sections: np.ndarray) -> np.ndarray:
        if len(self.members) == 1:
            return scores[0]
        standardised = np.empty((len(scores), len(sections)))
        for place, (values, scales) in enumerate(zip(scores, self.scales, strict=True)):
            for section in np.unique(sections):
                rows = sections == section
                standardised[place, rows] = scales[str(section)].standardise(values[rows])
        over = np.mean if self.join == "mean" else np.max
        return np.asarray(over(standardised, axis=0))


def build_members(system: str, definitions: Sequence[SystemConfig]) -> tuple[Member, ...]:
    """Build the members of a system from their definitions.

    Raises:
        UsageError: an unknown scorer, or impossible settings; the message names the system.
    """
    return tuple(
        Member(one.model, one.embedding, build(one.scorer, one.settings, f"system {system}"))
        for one in definitions
    )


def fit_system(
    members: Sequence[Member], banks: Mapping[str, Bank], join: Join = "mean"
) -> FittedSystem:
    """Fit the members of a system to the banks of their models.

    Args:
        members: one or more.
        banks: by model, the bank of training clips.
        join: how several are joined.

    Raises:
        UsageError: no member, or a bank lacks an array that a scorer reads.
        JobError: the banks hold different clips.
    """
    if not members:
        raise UsageError("a system needs one member or more")
    first = members[0].model
    for member in members[1:]:
        if _clips(banks[member.model]) != _clips(banks[first]):
            raise JobError(
                f"the banks of models {first} and {member.model} hold different clips;"
                " run 'asd embed' again"
            )
    views = [member.view(banks[member.model].arrays, "bank") for member in members]
    fitted = [
        member.scorer.fit(banks[member.model].with_arrays(view))
        for member, view in zip(members, views, strict=True)
    ]
    own = [one.training_scores() for one in fitted]
    calibrating = _calibrating([banks[member.model] for member in members])
    several = zip(fitted, own, strict=True) if len(members) > 1 else ()
    scales = [_scales(one.rows, scores, calibrating) for one, scores in several]
    return FittedSystem(
        members=tuple(members),
        fitted=tuple(fitted),
        views=tuple(views),
        own=tuple(own),
        bank=banks[first],
        join=join,
        scales=tuple(scales),
        calibrating=calibrating,
    )


def _calibrating(banks: Sequence[Bank]) -> np.ndarray:
    """Return which clips (N,) no model has learned from; all of a section that has none."""
    kept: np.ndarray = np.logical_and.reduce([bank.unlearned for bank in banks])
    sections = np.array(banks[0].section, dtype=str)
    for section in np.unique(sections):
        rows = sections == section
        if not kept[rows].any():
            kept[rows] = True
    return kept


def _scales(
    rows: Mapping[str, np.ndarray], scores: np.ndarray, calibrating: np.ndarray
) -> dict[str, Scale]:
    return {section: Scale.of(scores[of[calibrating[of]]]) for section, of in rows.items()}


def _clips(bank: Bank) -> tuple[Clip, ...]:
    return tuple(zip(bank.section, bank.name, strict=True))
