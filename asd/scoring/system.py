"""A system fitted to banks: one scorer, or several whose standardised scores are joined.

From the banks of a machine to one score a recording; nothing here is written (see
:mod:`asd.scoring.scored`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from asd.clip_table import ClipTable, by_recording
from asd.config import SystemConfig
from asd.digest import canonical_json
from asd.errors import JobError, UsageError
from asd.scoring import build
from asd.scoring.bank import Bank
from asd.scoring.base import FittedScorer, Scorer, SectionModel, by_section, folds_of
from asd.scoring.distances import Distance, Space

Join = Literal["mean", "max"]
Pooling = Literal["max", "mean"]
JOINED: Mapping[str, Callable[..., Any]] = {"max": np.max, "mean": np.mean}
"""How scores become one: of members, and of the windows of a recording."""
Outputs = Mapping[str, Mapping[str, np.ndarray]]
"""By model, what it gives for clips: (n, ...) by name."""


@dataclass(frozen=True, eq=False)
class SystemScores:
    """What a system says of a machine's test recordings.

    Attributes:
        clips: (N,) the recordings; the clip that a row of the table is of is its first.
        scores: (N,) float64, their anomaly scores.
        windows: (N,) int64, of how many windows each score is made; 1 of a clip's own.
    """

    clips: ClipTable
    scores: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Member:
    """A scorer over one embedding of one model.

    Attributes:
        model: whose bank is read.
        embedding: the array of the bank that stands for the embedding.
        scorer: not yet fitted.
        identity: what all members of this definition share; ``""`` where it is not known.
    """

    model: str
    embedding: str
    scorer: Scorer
    identity: str = ""

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
        mean, deviation: of its training scores; a deviation of 1 where they are all the same, so
            that scores are only centred.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, training_scores: np.ndarray) -> Scale:
        """Return the scale of training scores (N,)."""
        mean, deviation = float(training_scores.mean()), float(training_scores.std())
        alike = deviation <= 1e-12 * np.abs(training_scores).max()
        return cls(mean, 1.0 if alike else deviation)

    def standardise(self, scores: np.ndarray) -> np.ndarray:
        """Return scores (n,) in deviations from the mean."""
        return (scores - self.mean) / self.deviation


@dataclass(frozen=True)
class FittedSystem:
    """One member or more, fitted to the banks of a machine; see :func:`fit_system`.

    The scores of one member are taken as they are. Those of several are standardised by the mean
    and deviation of each member's own training scores of the section, and joined; no statistic of
    test clips is used.

    Attributes:
        members: what is joined.
        fitted: the fitted scorer of each.
        views: what each reads of its bank, (N, ...) by name.
        own: the scores (N,) of each for training clips, by fits without their fold.
        banks: by model, what it was fitted to; all hold the same clips.
        join: the mean or the maximum over members.
        scales: of each member, by section; none where there is one member.
        calibrating: (N,) which of the bank's clips thresholds and scales are found from: those
            that no model has learned from, all where it is not known of any.
    """

    members: tuple[Member, ...]
    fitted: tuple[FittedScorer, ...]
    views: tuple[Mapping[str, np.ndarray], ...]
    own: tuple[np.ndarray, ...]
    banks: Mapping[str, Bank]
    join: Join
    scales: tuple[Mapping[str, Scale], ...]
    calibrating: np.ndarray

    @property
    def bank(self) -> Bank:
        """The bank of the first member."""
        return self.banks[self.members[0].model]

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that can be scored, sorted."""
        return self.fitted[0].sections

    @property
    def rows(self) -> Mapping[str, np.ndarray]:
        """The bank's rows of each section."""
        return self.fitted[0].rows

    def score(self, outputs: Outputs, sections: Sequence[str]) -> np.ndarray:
        """Return the anomaly scores (N,) float64 of test clips.

        Args:
            outputs: by model, what it gave for each test clip, (N, ...) by name.
            sections: (N,) the section of each test clip.

        Raises:
            UsageError: a section has no training clips, or an array is missing.
            JobError: an array holds a value that is not finite.
        """
        return self.judge(outputs, sections)[0]

    def judge(self, outputs: Outputs, sections: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the anomaly scores (N,) of test clips, and what each of several members says.

        Args:
            outputs, sections: as of :meth:`score`.

        Returns:
            The scores, and (M, N) float64 of each member in deviations from the mean of its
            training scores, which are joined: 0 is an ordinary normal clip. A single member says
            nothing but the score, (0, N).
        """
        own = [
            fitted.score(member.view(outputs[member.model], "outputs"), sections)
            for member, fitted in zip(self.members, self.fitted, strict=True)
        ]
        if len(own) == 1:
            return own[0], np.empty((0, len(sections)))
        standardised = self._standardised(own, sections)
        return self._over(standardised), standardised

    def training_scores(self) -> np.ndarray:
        """Return the scores (N,) float64 of the bank's clips as if they were clips to come."""
        if len(self.members) == 1:
            return self.own[0]
        return self._over(self._standardised(self.own, self.bank.clips.section))

    @property
    def comparing(self) -> list[int]:
        """The numbers of the members whose models give embeddings (N, D)."""
        views = enumerate(self.views)
        return [i for i, view in views if "embedding" in view and view["embedding"].ndim == 2]

    def by_distance(self, outputs: Outputs, section: str) -> np.ndarray:
        """Return the bank's rows (N,) of a section by distance to the (one) clip of ``outputs``.

        The distance is that of the first member that compares embeddings: its scorer's own, or the
        cosine where its scorer compares no clips. Without such a member N is 0.
        """
        rows = self.rows[section]
        if not self.comparing:
            return rows[:0]
        member = self.members[self.comparing[0]]
        space, training = self._spaces[section]
        embedding = member.view(outputs[member.model], "outputs")["embedding"]
        return rows[space.between(space.map(embedding), training)[0].argsort(kind="stable")]

    @cached_property
    def _spaces(self) -> dict[str, tuple[Space, np.ndarray]]:
        """What clips of a section are compared in, with its training clips mapped."""
        place = self.comparing[0]
        config = getattr(self.members[place].scorer, "config", None)
        distance: Distance = getattr(config, "distance", "cosine")
        found = {}
        for section, rows in self.rows.items():
            embedding = self.views[place]["embedding"][rows]
            space = Space.of(distance, embedding)
            found[section] = (space, space.map(embedding))
        return found

    def gain(self, outputs: Outputs, section: str) -> tuple[float, str]:
        """Return the gain in decibels that brings the (one) clip of ``outputs`` into the range.

        And words about it, if no training clip needed as much; 0 and ``""`` without such a member.
        """
        for member, fitted in zip(self.members, self.fitted, strict=True):
            within = getattr(fitted.models[section], "within", None)
            if within is not None and within.array is not None:
                gain = float(within.gains(member.view(outputs[member.model], "outputs"))[0])
                return gain, within.words(gain)
        return 0.0, ""

    def calibrating_rows(self, section: str) -> np.ndarray:
        """Return the bank's rows (n,) that a section's thresholds are found from."""
        rows = self.rows[section]
        return rows[self.calibrating[rows]]

    def _over(self, standardised: np.ndarray) -> np.ndarray:
        return np.asarray(JOINED[self.join](standardised, axis=0))

    def _standardised(self, scores: Sequence[np.ndarray], sections: Sequence[str]) -> np.ndarray:
        standardised = np.empty((len(scores), len(sections)))
        for section, rows in by_section(sections):
            for place, (values, scales) in enumerate(zip(scores, self.scales, strict=True)):
                standardised[place, rows] = scales[section].standardise(values[rows])
        return standardised


def rows_of(outputs: Outputs, rows: np.ndarray | Sequence[int]) -> dict[str, dict[str, np.ndarray]]:
    """Return some of the clips of outputs, by a mask or by their numbers."""
    return {
        model: {name: values[rows] for name, values in arrays.items()}
        for model, arrays in outputs.items()
    }


def build_members(system: str, definitions: Sequence[SystemConfig]) -> tuple[Member, ...]:
    """Build the members of a system from their definitions.

    Raises:
        UsageError: an unknown scorer, or impossible settings; the message names the system.
    """
    return tuple(
        Member(
            one.model,
            one.embedding,
            build(one.scorer, one.settings, f"system {system}"),
            canonical_json(one.model_dump(mode="json")),
        )
        for one in definitions
    )


Fits = Mapping[str, dict[str, tuple[FittedScorer, np.ndarray]]]
"""By model and identity, members that were fitted to the same banks, with their training scores."""


@dataclass(frozen=True)
class Kept:
    """What a fit came to, member by member.

    Attributes:
        models: of each member, the fitted models by section.
        own: of each, the training scores (N,).
        scales: of each, by section; none where there is one member.
    """

    models: tuple[Mapping[str, SectionModel], ...]
    own: tuple[np.ndarray, ...]
    scales: tuple[Mapping[str, Scale], ...]


def fit_system(
    members: Sequence[Member],
    banks: Mapping[str, Bank],
    join: Join = "mean",
    fits: Fits | None = None,
    kept: Kept | None = None,
) -> FittedSystem:
    """Fit the members of a system to the banks of their models.

    Args:
        members: one or more.
        banks: by model, the bank of training clips.
        join: how several are joined.
        fits: of other systems over the same banks; what is fitted now is added.
        kept: what need not be fitted, of a fit before; None to fit all of it.

    Raises:
        UsageError: no member, or a bank lacks an array that a scorer reads.
        JobError: the banks hold different clips.
    """
    if not members:
        raise UsageError("a system needs one member or more")
    first = members[0].model
    for member in members[1:]:
        if banks[member.model].clips != banks[first].clips:
            raise JobError(
                f"the banks of models {first} and {member.model} hold different clips;"
                " run 'asd embed' again"
            )
    views = tuple(member.view(banks[member.model].arrays, "bank") for member in members)
    folds = folds_of(banks[first].clips) if kept is None else None
    fitted, own = [], []
    for place, (member, view) in enumerate(zip(members, views, strict=True)):
        bank = banks[member.model].with_arrays(view)
        if kept is not None:
            scorer, scores = member.scorer.fit(bank, kept.models[place]), kept.own[place]
        else:
            scorer, scores = _fitted(member, bank, folds, fits)
        fitted.append(scorer)
        own.append(scores)
    rows = fitted[0].rows
    calibrating = _calibrating([banks[member.model] for member in members], rows)
    scales = kept.scales if kept is not None else ()
    if kept is None and len(members) > 1:
        scales = tuple(
            {section: Scale.of(scores[of[calibrating[of]]]) for section, of in rows.items()}
            for scores in own
        )
    return FittedSystem(
        members=tuple(members),
        fitted=tuple(fitted),
        views=views,
        own=tuple(own),
        banks=dict(banks),
        join=join,
        scales=scales,
        calibrating=calibrating,
    )


def _fitted(
    member: Member, bank: Bank, folds: np.ndarray | None, fits: Fits | None
) -> tuple[FittedScorer, np.ndarray]:
    """Return a member fitted to its bank, by another system if one has, and its training scores."""
    known = fits[member.model] if fits is not None and member.identity else {}
    if member.identity not in known:
        scorer = member.scorer.fit(bank)
        known[member.identity] = scorer, scorer.training_scores(folds)
    return known[member.identity]


def score_recordings(
    fitted: FittedSystem, tests: Mapping[str, Bank], pooling: Pooling = "max"
) -> SystemScores:
    """Score the test recordings of the sections that have training clips; others stay unscored.

    The scores of the windows of a recording are joined into one. Clips that are recordings by
    themselves keep their scores, bit for bit. The windows are counted: a maximum of many is higher
    than one, and is decided by another threshold
    (:meth:`asd.scoring.calibration.Calibration.threshold`).

    Args:
        fitted: the system, fitted to the banks of training clips.
        tests: by model, the outputs for test clips, without truth.
        pooling: the most anomalous window decides, or all alike.

    Raises:
        JobError: the models were not run over the same clips.
    """
    first = fitted.members[0].model
    test = tests[first]
    for model, other in tests.items():
        if other.clips != test.clips:
            raise JobError(
                f"models {first} and {model} were run over different test clips;"
                " run 'asd embed' again"
            )
    rows = np.flatnonzero(np.isin(np.array(test.clips.section, dtype=str), fitted.sections))
    clips = test.clips.only(rows)
    outputs = rows_of({model: bank.arrays for model, bank in tests.items()}, rows)
    scores = fitted.score(outputs, clips.section)
    groups = by_recording(clips)
    join = JOINED[pooling]
    return SystemScores(
        clips.only(np.array([group[0] for group in groups], dtype=int)),
        np.array([join(scores[group]) for group in groups], dtype=np.float64),
        np.array([len(group) for group in groups], dtype=np.int64),
    )


def unscored(train: Bank, test: Bank) -> dict[str, int]:
    """Return how many test clips each section has that has no training clips."""
    known = set(train.sections)
    return dict(Counter(section for section in test.clips.section if section not in known))


def _calibrating(banks: Sequence[Bank], rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which clips (N,) no model has learned from; all of a section that has none."""
    kept = np.logical_and.reduce([bank.unlearned for bank in banks])
    for of_section in rows.values():
        if not kept[of_section].any():
            kept[of_section] = True
    return kept
