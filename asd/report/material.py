"""Everything that a report is made of, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from asd.config import SELECTED
from asd.report.choice import Choice
from asd.report.maps import Map
from asd.report.paper import DATASET
from asd.report.results import Key, Line, Results
from asd.report.scores import Curve, ScoredSection, Scores

History = Mapping[str, Sequence[float]]  # a column each, one value an epoch; NaN where empty


@dataclass(frozen=True, eq=False)
class Sound:
    """A clip's samples, int16 (L,), and their rate in Hz."""

    samples: np.ndarray
    sample_rate: int


@dataclass(frozen=True, eq=False)
class ShownClip:
    """A clip that the report shows.

    Attributes:
        choice: which clip, and why.
        attributes: its operating attributes, ``""`` for none.
        seconds: its length.
        picture: its log-mel spectrogram (F, T), if the store has it.
        sound: the clip itself, if the store has it and the report has room for it.
        reason: a PNG picture of which parts of the sound make the score, if one was drawn.
    """

    choice: Choice
    attributes: str
    seconds: float
    picture: np.ndarray | None
    sound: Sound | None
    reason: bytes | None = None


@dataclass(frozen=True)
class StoredFeature:
    """The shards of one feature of one machine.

    Attributes:
        shards, clips, bytes: how many, how many rows in all, and the size of the files.
        row: shape and type of a row, such as ``"128 x 126 float16"``.
        digest: the feature digest; several where the shards differ.
    """

    machine: str
    feature: str
    shards: int
    clips: int
    row: str
    bytes: int
    digest: str


@dataclass(frozen=True)
class SystemFacts:
    """What a system is: the model it reads, the features of that, and the scorer."""

    model: str
    features: tuple[str, ...]
    scorer: str


@dataclass(frozen=True, eq=False)
class Material:
    """What the tables, the pictures and the page are made of.

    Attributes:
        dataset: the data set's name.
        results: the figures of every system.
        systems: what each system is, by name.
        scores: by system, then by (machine, section).
        curves: ROC curves, by system, then by (machine, section).
        histories: training curves, by machine, then by model.
        maps: embeddings in the plane, by machine, then by model, then by section.
        clips: the clips that are shown, by machine.
        clips_of: the system whose scores chose them, by machine.
        store: what the feature store holds.
        counts: facts of the data for the head of the page, such as ``("test clips", "360")``.
        provenance: what made all this, as names and values.
        records: what each model says of its making, by machine, then by model.
    """

    dataset: str
    results: Results
    systems: Mapping[str, SystemFacts]
    scores: Scores
    curves: Mapping[str, Mapping[Key, Curve]]
    histories: Mapping[str, Mapping[str, History]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, Mapping[str, Map]]] = field(default_factory=dict)
    clips: Mapping[str, Sequence[ShownClip]] = field(default_factory=dict)
    clips_of: Mapping[str, str] = field(default_factory=dict)
    store: Sequence[StoredFeature] = ()
    counts: Sequence[tuple[str, str]] = ()
    provenance: Sequence[tuple[str, str]] = ()
    records: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)

    @property
    def machines(self) -> tuple[str, ...]:
        """Every machine that has scores, in the order of the results, then of the files."""
        scored = {key[0] for of_system in self.scores.values() for key in of_system}
        order = dict.fromkeys((*self.results.machines, *sorted(scored)))
        return tuple(machine for machine in order if machine in scored)

    @property
    def with_paper(self) -> bool:
        """Whether the data set is the paper's own, so that its figures may stand beside ours."""
        return self.dataset == DATASET

    def sections(self, machine: str) -> tuple[str, ...]:
        """Return the sections of a machine that any system scored."""
        keys = {key for of_system in self.scores.values() for key in of_system}
        return tuple(sorted(section for of, section in keys if of == machine))

    def scored(self, system: str, machine: str) -> list[ScoredSection]:
        """Return what a system says of a machine, by section."""
        of_system = self.scores.get(system, {})
        return [scored for key, scored in of_system.items() if key[0] == machine]

    def training_lines(self, machine: str) -> dict[str, dict[str, Line]]:
        """Return a machine's training curves: by quantity, then by model, epochs and values."""
        histories = self.histories.get(machine, {})
        columns = dict.fromkeys(c for history in histories.values() for c in history)
        lines = {
            column: {
                model: (history["epoch"], history[column])
                for model, history in histories.items()
                if any(map(math.isfinite, history.get(column, ())))
            }
            for column in columns
            if column != "epoch"
        }
        return {column: of_column for column, of_column in lines.items() if of_column}

    def shown_system(self, machine: str) -> str:
        """Return the system that a machine's charts show first.

        What was selected without labels, as it would be used; else the best, or the first of all.
        """
        best = SELECTED if SELECTED in self.scores else self.results.best(machine)
        with_scores = [name for name in self.scores if self.scored(name, machine)]
        return best if best in with_scores else with_scores[0]
