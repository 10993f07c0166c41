"""What a report is made of, as plain data; and what is chosen and laid out for it.

Which test clips are worth a listen: the clearest anomalies, and those that confuse a system. Where
the embeddings of a section's test clips lie in the plane: t-SNE, the paper's Fig. 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from asd.config import SELECTED
from asd.metrics.roc import RocCurve
from asd.metrics.truth import Key
from asd.report.results import Line, Results
from asd.report.scores import ANOMALY, NORMAL, ScoredSection, Scores
from asd.report.tables import DATASET

History = Mapping[str, Sequence[float]]  # a column each, one value an epoch; NaN where empty

LINES = 8  # that differ in colour and in dashes
_EACH = 3  # clips of each kind for a machine with one section; shared out among more sections
_EXACT = 500  # clips up to which the exact gradient is the faster one
_FEWEST = 5


@dataclass(frozen=True, eq=False)
class Map:
    """Where the clips of one section lie for one model.

    Attributes:
        places: (N, 2), in no unit: near clips are alike, far ones only differ.
        labels: (N,) ``"normal"``, ``"anomaly"`` or ``""``.
        domains: (N,) ``"source"``, ``"target"`` or ``""``.
    """

    places: NDArray[np.float64]
    labels: NDArray[np.str_]
    domains: NDArray[np.str_]


@dataclass(frozen=True)
class Choice:
    """A clip that is shown, and why.

    Attributes:
        key: its machine and section.
        name: its name.
        why: what is remarkable in it.
        turn: 0 for the first of its kind in its section, then 1, ...
        score: what the system gave it.
        rank: its place among the clips of the section, 1 for the highest score.
        called: whether the system calls it anomalous; None without decisions.
        label, domain: what is true of it, ``""`` where unknown.
    """

    key: Key
    name: str
    why: str
    turn: int
    score: float
    rank: int
    called: bool | None
    label: str
    domain: str


@dataclass(frozen=True, eq=False)
class ShownClip:
    """A clip that the report shows.

    Attributes:
        choice: which clip, and why.
        attributes: its operating attributes, ``""`` for none.
        seconds: its length.
        picture: its log-mel spectrogram (F, T), if the store has it.
        sound: the clip itself as an encoded file, if it is there and the page has room for it.
        reason: an SVG picture of which parts of the sound make the score, if one was drawn.
    """

    choice: Choice
    attributes: str
    seconds: float
    picture: np.ndarray | None
    sound: bytes | None
    reason: str | None = None


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
        chosen: the systems that the reader asked to see beside the best ones.
    """

    dataset: str
    results: Results
    systems: Mapping[str, SystemFacts]
    scores: Scores
    curves: Mapping[str, Mapping[Key, RocCurve]]
    histories: Mapping[str, Mapping[str, History]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, Mapping[str, Map]]] = field(default_factory=dict)
    clips: Mapping[str, Sequence[ShownClip]] = field(default_factory=dict)
    clips_of: Mapping[str, str] = field(default_factory=dict)
    store: Sequence[StoredFeature] = ()
    counts: Sequence[tuple[str, str]] = ()
    provenance: Sequence[tuple[str, str]] = ()
    records: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    chosen: Sequence[str] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The systems that curves are drawn of, no more than can be told apart.

        The best over all, what decides where it was selected, the first one as the reference, and
        those that the reader chose.
        """
        named = (self.results.best() or "", SELECTED, next(iter(self.scores), ""), *self.chosen)
        return tuple(dict.fromkeys(name for name in named if name in self.scores))[:LINES]

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


def choose(sections: Sequence[ScoredSection]) -> list[Choice]:
    """Return the clips to show of one machine, section by section.

    With labels these are the anomalies scored highest, the normal clips scored highest and the
    anomalies scored lowest; without, the clips scored highest. No clip comes twice.
    """
    each = max(1, _EACH // max(1, len(sections)))
    return [choice for section in sections for choice in _of_section(section, each)]


def in_turn(choices: Sequence[Choice]) -> list[Choice]:
    """Return choices in rounds: one clip a section in each, and not the same kind of each.

    Where only the first few can be played, they are then of several sections and kinds.
    """
    by_section: dict[Key, list[Choice]] = {}
    for choice in choices:
        by_section.setdefault(choice.key, []).append(choice)
    turned = [
        [*of_section[shift % len(of_section) :], *of_section[: shift % len(of_section)]]
        for shift, of_section in enumerate(by_section.values())
    ]
    return [choice for turn in zip_longest(*turned) for choice in turn if choice is not None]


def _of_section(section: ScoredSection, each: int) -> Iterator[Choice]:
    falling = np.argsort(-section.scores, kind="stable")
    kinds = [
        ("Anomaly with the highest score", falling, ANOMALY),
        ("Normal clip with the highest score", falling, NORMAL),
        ("Anomaly with the lowest score", falling[::-1], ANOMALY),
    ]
    if not section.is_labelled:
        kinds, each = [("Clip with the highest score", falling, "")], 3 * each
    taken: set[int] = set()
    for why, order, label in kinds:
        rows = [row for row in order.tolist() if not label or section.labels[row] == label]
        for turn, row in enumerate([row for row in rows if row not in taken][:each]):
            taken.add(row)
            yield Choice(
                section.key,
                section.names[row],
                _ordinal(why, turn),
                turn,
                float(section.scores[row]),
                int((section.scores > section.scores[row]).sum()) + 1,
                None if section.decisions is None else bool(section.decisions[row]),
                str(section.labels[row]),
                str(section.domains[row]),
            )


def _ordinal(why: str, turn: int) -> str:
    place = {0: "", 1: "second ", 2: "third "}.get(turn, f"{turn + 1}th ")
    return why.replace("the ", f"the {place}")


def lay_out(embeddings: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Return places (N, 2) for embeddings (N, D) by t-SNE on cosine distance.

    The distance is that of the paper's Eq. 7. The same embeddings give the same places, whatever
    the number of threads.

    Returns:
        None for fewer than five clips, which no neighbourhood can be drawn from.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(embeddings)
    if count < _FEWEST:
        return None
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = embeddings / np.maximum(lengths, 1e-12)
    method = "exact" if count <= _EXACT else "barnes_hut"
    # Euclidean distance of directions grows with their cosine distance; PCA needs vectors.
    tsne = TSNE(
        perplexity=min(30.0, (count - 1) / 6),
        init="pca",
        method=method,
        random_state=0,
        n_jobs=1,
    )
    with threadpool_limits(1):
        if np.ptp(directions, axis=0).max() < 1e-9:
            return np.zeros((count, 2))
        return np.asarray(tsne.fit_transform(directions), dtype=np.float64)
