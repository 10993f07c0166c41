"""Which test clips are worth a listen: the clearest anomalies, and those that confuse a system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from asd.report.results import Key
from asd.report.scores import ANOMALY, NORMAL, ScoredSection

_EACH = 3  # clips of each kind for a machine with one section; shared out among more sections


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
    if section.labelled() is None:
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
