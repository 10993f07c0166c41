"""What every scorer is: fitted to a bank section by section, blind to the truth of test clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from asd.clip_table import ClipTable
from asd.config import Settings
from asd.errors import JobError, UsageError
from asd.scoring.bank import Bank
from asd.scoring.repeatable import one_thread

FOLDS = 10
"""How many parts of a section are left out in turn: a fit for each."""


@dataclass(frozen=True)
class Training:
    """The training clips of one section.

    Attributes:
        section: the section.
        arrays: what the model gave for each clip, (N, ...) float32 by name.
        domains: (N,) ``"source"``, ``"target"`` or ``""``.
        classes: (N,) int32, the primary class of each clip, -1 for none.
    """

    section: str
    arrays: Mapping[str, np.ndarray]
    domains: np.ndarray
    classes: np.ndarray

    def only(self, rows: np.ndarray) -> Training:
        """Return some of the clips, by a mask (N,) or by their numbers."""
        arrays = {name: values[rows] for name, values in self.arrays.items()}
        return replace(self, arrays=arrays, domains=self.domains[rows], classes=self.classes[rows])


class SectionModel(Protocol):
    """A scorer fitted to one section."""

    def score(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the anomaly scores (n,) float64 of test clips, given their outputs (n, ...)."""


class Scorer(ABC):
    """A way to score, not yet fitted.

    Args:
        config: its settings, of the type ``Config``.

    Attributes:
        Config: the type of its settings; by default there is nothing to set.
        needs: the arrays that it reads from a bank and from the outputs of test clips, with the
            ranks that each may have; of the class, or of a scorer whose settings decide.
        compares: whether a score depends on which clips are in the bank.
        Fitted: the type of a fitted section, a frozen dataclass (see :mod:`asd.scoring.state`),
            which a detector keeps; None where it is to be fitted anew whenever one is loaded.
    """

    Config: ClassVar[type[Settings]] = Settings
    needs: Mapping[str, tuple[int, ...]] = {"embedding": (2,)}
    compares: ClassVar[bool] = True
    Fitted: ClassVar[type[Any] | None] = None

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def fit_section(self, training: Training) -> SectionModel:
        """Fit to the training clips of one section, one or more."""

    def fit(self, bank: Bank, known: Mapping[str, SectionModel] | None = None) -> FittedScorer:
        """Fit to every section of a bank, but for those whose fitted models are ``known``.

        Raises:
            UsageError: the bank has no clips, or lacks an array that this scorer reads.
            JobError: an array holds a value that is not finite.
        """
        if not len(bank):
            raise UsageError("the bank has no training clips: nothing to score against")
        arrays = _needed(self, bank.arrays, len(bank), "bank")
        names, numbers = _numbered(bank.clips.domain)
        domains = np.array(names)[numbers]
        rows = dict(by_section(bank.clips.section))
        training = {
            section: Training(
                section,
                {name: values[index] for name, values in arrays.items()},
                domains[index],
                bank.classes[index],
            )
            for section, index in rows.items()
        }
        with one_thread():
            models = {
                section: known[section] if known and section in known else self.fit_section(one)
                for section, one in training.items()
            }
        return FittedScorer(self, models, rows, training, bank.clips)


@dataclass(frozen=True)
class FittedScorer:
    """A scorer fitted to a bank; see :meth:`Scorer.fit`.

    Attributes:
        scorer: the scorer.
        models: the fitted model of each section.
        rows: the bank's rows of each section.
        training: the training clips of each section.
        clips: the bank's clips.
    """

    scorer: Scorer
    models: Mapping[str, SectionModel]
    rows: Mapping[str, np.ndarray]
    training: Mapping[str, Training]
    clips: ClipTable

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that can be scored, sorted: those with training clips."""
        return tuple(sorted(self.models))

    def score(self, outputs: Mapping[str, np.ndarray], sections: Sequence[str]) -> np.ndarray:
        """Return the anomaly scores (N,) float64 of test clips, higher for more anomalous sound.

        A clip's score depends on that clip and on the bank alone.

        Args:
            outputs: what the model gave for each test clip, (N, ...) by name.
            sections: (N,) the section of each test clip.

        Raises:
            UsageError: a section has no training clips, or an array is missing or shaped otherwise
                than in the bank.
            JobError: an array holds a value that is not finite.
        """
        unknown = sorted(set(sections) - set(self.models))
        if unknown:
            raise UsageError(
                f"no training clips of section {', '.join(unknown)}: its test clips cannot be"
                f" scored; the bank has {', '.join(self.sections)}"
            )
        arrays = _needed(self.scorer, outputs, len(sections), "outputs")
        known = next(iter(self.training.values())).arrays
        for name, values in arrays.items():
            if values.shape[1:] != known[name].shape[1:]:
                raise UsageError(
                    f"'{name}' of the test clips has rows of shape {values.shape[1:]}, that of"
                    f" the bank {known[name].shape[1:]}: they come from different models"
                )
        scores = np.empty(len(sections))
        with one_thread():
            for section, index in by_section(sections):
                rows = {name: values[index] for name, values in arrays.items()}
                scores[index] = self.models[section].score(rows)
        return scores

    def training_scores(self, folds: np.ndarray | None = None) -> np.ndarray:
        """Return the scores (N,) float64 of the bank's clips as if they were clips to come.

        Each is scored by the scorer fitted without its fold: without the clip, and without those
        that are of its recording or were made before and after it. A tenth of the clips fewer to
        compare with gives somewhat higher scores. What is fitted to no clips keeps its scores, and
        the only clip of a section, which has nothing to be compared with, gets that against itself.

        Args:
            folds: (N,) those of :func:`folds_of`, if they are known.
        """
        folds = folds_of(self.clips) if folds is None else folds
        scores = np.empty(len(folds))
        with one_thread():
            for section, index in self.rows.items():
                training, of_section = self.training[section], folds[index]
                if not self.scorer.compares or len(index) == 1:
                    scores[index] = self.models[section].score(training.arrays)
                    continue
                for fold in np.unique(of_section):
                    out = of_section == fold
                    model = self.scorer.fit_section(training.only(~out))
                    scores[index[out]] = model.score(training.only(out).arrays)
        return scores


def folds_of(clips: ClipTable) -> np.ndarray:
    """Return the fold (N,) that each clip is left out with: a tenth of its section and domain.

    Clips of a fold follow each other in the bank: recordings made one after the other are alike,
    and those to come will be of another day. Windows of a recording are left out together; those of
    a single recording one after the other. The only clip of a section has the fold -1.
    """
    domains, recordings = _numbered(clips.domain)[1], _numbered(clips.recording)[1]
    folds = np.full(len(clips), -1)
    for _, rows in by_section(clips.section):
        if len(rows) < 2:
            continue
        several = len(np.unique(recordings[rows])) > 1
        whose = recordings if several else np.arange(len(clips))
        started = 0
        for domain in np.unique(domains[rows]):
            own = rows[domains[rows] == domain]
            _, first, number = np.unique(whose[own], return_index=True, return_inverse=True)
            # By the order in which recordings begin in the bank.
            place = np.argsort(np.argsort(first))[number]
            # Rare domains go on where the one before ended, lest one fold have a clip of each.
            share = min(FOLDS, len(first))
            folds[own] = (place * share // len(first) + started) % FOLDS
            started += share
    return folds


def by_section(sections: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each section, sorted, with the rows (n,) that are of it."""
    names, numbers = _numbered(sections)
    for number, name in enumerate(names):
        yield name, np.flatnonzero(numbers == number)


def _numbered(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the different texts, sorted, and the place (N,) of each text among them."""
    names = sorted(set(texts))
    number = {name: i for i, name in enumerate(names)}
    # Many times faster than an array of texts, and than sorting one.
    return names, np.fromiter(map(number.__getitem__, texts), np.intp, len(texts))


def _needed(
    scorer: Scorer, arrays: Mapping[str, np.ndarray], count: int, where: str
) -> dict[str, np.ndarray]:
    """Return the arrays that ``scorer`` reads, checked."""
    found = {}
    for name, ranks in scorer.needs.items():
        if name not in arrays:
            known = ", ".join(sorted(arrays)) or "none"
            raise UsageError(
                f"scorer '{type(scorer).__name__.lower()}' reads '{name}', which the {where}"
                f" lack; arrays there: {known}"
            )
        values = np.asarray(arrays[name])
        if values.ndim not in ranks or len(values) != count:
            raise UsageError(
                f"'{name}' in the {where} has shape {values.shape}, not {count} rows of rank"
                f" {' or '.join(str(rank - 1) for rank in ranks)}"
            )
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise JobError(f"'{name}' in the {where} is not finite in row {row}: train again")
        found[name] = values
    return found
