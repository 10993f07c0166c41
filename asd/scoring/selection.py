"""Choosing what scores a machine best, from its training clips alone.

A criterion judges each candidate (a scorer over an embedding) by how it scores training clips, each
left out, and clips that are known to be something else; see :data:`CRITERIA`. The best candidates
are joined: several good ones together are better than the one that seems best (measured on genuine
features of eight units with 18 candidates: joined .903, the one that seems best .866, the one that
is best over all units .889; on synthetic sound of seven machines .812, .792, .823).

Members that are always the same, views of different things, are as good or better wherever there
was a genuine set to try. The official score (of the modulation spectra the mean AUC) of the five
candidates that strangers judge best, by who the strangers are. "Changed" are a machine's own clips
with another gain, speed or frequency response, "made" the synthesiser's machines at the level of
its clips; of fans every third source clip, of modulation spectra 250 clips a unit:

    genuine set           propellers   fans   modulation spectra
    fixed views joined          .949   .872         .866
    per band and VarMin         .863   .880         .858
    all candidates joined       .721   .871         .862
    other sections              .732   .869         .871
    other genuine machines      .703      -         .861
    made                        .681      -            -
    changed                     .779   .883         .853
    changed and sections           -   .882         .872
    slightly changed            .714   .868         .861
    best five, by labels        .895   .922         .895

Other machines and changes are told by nearly all candidates; these differ in how they take normal
clips of another day. So no strangers are made, and where those that are there tell nothing, the
candidates of some scorers are joined in place of all (:class:`asd.config.SelectConfig`): per-band
neighbours and VarMin, which were found on other sets than these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asd.registry import Registry
from asd.scoring.bank import Bank
from asd.scoring.base import FittedScorer
from asd.scoring.system import Member

MOST_STRANGERS = 200
"""Strangers a section that are scored; enough to tell candidates apart."""
_TOLD = 0.6  # the least that the best candidate must tell of strangers, or its rank is chance


@dataclass(frozen=True)
class Judged:
    """A candidate fitted to a machine's bank, with what a criterion may look at.

    Attributes:
        fitted: the scorer, fitted to the training clips.
        bank: the bank, the candidate's embedding as ``embedding``.
        strangers: by section, embeddings (n, D) of clips of other sections or machines; none of a
            section that has no such clips, nor where the model learned to tell classes apart.
        scores: (N,) those of the training clips, each left out with its fold.
        consensus: (N,) the mean over all candidates of the ranks of these scores, by section.
    """

    fitted: FittedScorer
    bank: Bank
    strangers: Mapping[str, np.ndarray]
    scores: np.ndarray
    consensus: np.ndarray


Criterion = Callable[[Judged], float | None]
CRITERIA: Registry[Criterion] = Registry(
    "criterion",
    {
        "agreement": "asd.scoring.selection:agreement",
        "resampled": "asd.scoring.selection:resampled",
        "spread": "asd.scoring.selection:spread",
        "strangers": "asd.scoring.selection:strangers",
    },
    "asd.criteria",
)


@dataclass(frozen=True)
class Choice:
    """What was chosen for a machine.

    Attributes:
        criterion: what candidates were ranked by; ``""`` where it could not be applied.
        values: of each candidate, what each criterion that was computed says; higher is better,
            None where it says nothing.
        chosen: the names of the candidates that are joined, the best first.
    """

    criterion: str
    values: Mapping[str, Mapping[str, float | None]]
    chosen: tuple[str, ...]


def choose(
    candidates: Mapping[str, Member],
    banks: Mapping[str, Bank],
    others: Mapping[str, Sequence[Bank]],
    criterion: str,
    count: int,
    compared: Sequence[str] = (),
    otherwise: Collection[str] = (),
) -> Choice:
    """Rank candidates by a criterion and choose the best ``count``, and whatever equals the last.

    Where the criterion says nothing of any of them (there are no strangers: one machine of one
    section; or no candidate tells these), those named for it are chosen, or all.

    Args:
        candidates: by name.
        banks: by model, the bank of the machine's training clips.
        others: by model, the banks of other machines whose embeddings mean the same.
        criterion: a key of :data:`CRITERIA`.
        count: how many to choose.
        compared: further criteria to compute, for the table.
        otherwise: names of those that are chosen where the criterion says nothing; none for all.

    Raises:
        UsageError: an unknown criterion, or a bank lacks an array that a candidate reads.
    """
    functions = {name: CRITERIA[name] for name in dict.fromkeys([criterion, *compared])}
    judged = _judged(candidates, banks, others)
    values = {
        name: {key: function(one) for key, function in functions.items()}
        for name, one in judged.items()
    }
    known = {name: of[criterion] for name, of in values.items() if of[criterion] is not None}
    alike = criterion == "strangers" and max(known.values(), default=0.0) < _TOLD  # type: ignore[type-var,operator]
    if not known or alike:
        joined = tuple(name for name in candidates if name in otherwise)
        return Choice("", values, joined or tuple(candidates))
    ranked = sorted(known, key=lambda name: -float(known[name] or 0.0))
    last = known[ranked[min(count, len(ranked)) - 1]]
    return Choice(criterion, values, tuple(name for name in ranked if known[name] >= last))  # type: ignore[operator]


def strangers(judged: Judged) -> float | None:
    """Return the AUC of telling the nearest half of other sections or machines from one's own.

    The mean over sections. Those that are far are told by any candidate, so that many would be
    alike; ties are broken by how far the median of the nearest half lies, in deviations of the
    training scores. It says nothing of a network that was trained to tell classes apart: to such a
    one strangers are easy, whatever it makes of a fault. And where no candidate tells them, as two
    directions of rotation in the same noise, their order is chance (:func:`choose`).
    """
    found = []
    for section, values in judged.strangers.items():
        if len(values):
            own = judged.scores[judged.fitted.rows[section]]
            scores = np.sort(judged.fitted.score({"embedding": values}, [section] * len(values)))
            near = scores[: -(-len(scores) // 2)]
            apart = (np.median(near) - own.mean()) / (own.std() + 1e-12)
            found.append(_auc(own, near) + 1e-3 * apart / (1 + abs(apart)))
    return float(np.mean(found)) if found else None


def resampled(judged: Judged) -> float | None:
    """Return the AUC of telling made-up clips, each dimension drawn from another clip."""
    random = np.random.default_rng(0)
    made = {}
    for section, rows in judged.fitted.rows.items():
        values = judged.bank.arrays["embedding"][rows]
        count = min(len(values), MOST_STRANGERS)
        drawn = random.integers(len(values), size=(count, values.shape[1]))
        made[section] = np.take_along_axis(values, drawn, axis=0)
    return _mean_auc(judged, made)


def spread(judged: Judged) -> float | None:
    """Return minus the deviation of the training scores over their mean, the mean over sections.

    Comparable between candidates of one distance only.
    """
    found = []
    for rows in judged.fitted.rows.values():
        scores = judged.scores[rows]
        mean = abs(float(scores.mean()))
        found.append(-float(scores.std()) / mean if mean else -np.inf)
    return float(np.mean(found))


def agreement(judged: Judged) -> float | None:
    """Return the rank correlation of the training scores with the mean ranks of all candidates."""
    found = []
    for rows in judged.fitted.rows.values():
        own = _ranks(judged.scores[rows])
        if len(rows) > 1 and own.std() > 0 and judged.consensus[rows].std() > 0:
            found.append(float(np.corrcoef(own, judged.consensus[rows])[0, 1]))
    return float(np.mean(found)) if found else None


def _mean_auc(judged: Judged, anomalies: Mapping[str, np.ndarray]) -> float | None:
    found = []
    for section, values in anomalies.items():
        if len(values):
            scores = judged.fitted.score({"embedding": values}, [section] * len(values))
            found.append(_auc(judged.scores[judged.fitted.rows[section]], scores))
    return float(np.mean(found)) if found else None


def _auc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Return the share of pairs that are in the right order, ties counting half."""
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left")
    upto = np.searchsorted(ordered, anomalous, side="right")
    return float((below + upto).mean() / (2 * len(normal)))


def _judged(
    candidates: Mapping[str, Member],
    banks: Mapping[str, Bank],
    others: Mapping[str, Sequence[Bank]],
) -> dict[str, Judged]:
    found = {}
    for name, member in candidates.items():
        bank = _view(member, banks[member.model])
        fitted = member.scorer.fit(bank)
        foreign = [_view(member, other) for other in others.get(member.model, ())]
        learned = bool((bank.classes >= 0).any())
        strangers = {} if learned else _strangers(bank, foreign)
        found[name] = Judged(fitted, bank, strangers, fitted.training_scores(), np.empty(0))
    consensus = _consensus(found)
    return {
        name: Judged(one.fitted, one.bank, one.strangers, one.scores, consensus)
        for name, one in found.items()
    }


def _view(member: Member, bank: Bank) -> Bank:
    return bank.with_arrays(member.view(bank.arrays, "bank"))


def _strangers(bank: Bank, foreign: Sequence[Bank]) -> dict[str, np.ndarray]:
    """Return, by section, clips of the other sections; where there are none, of other machines.

    Other sections first: they are the better stand-ins for a fault. Other machines differ in so
    much that nearly any candidate tells them.
    """
    own = bank.arrays["embedding"]
    of = np.array(bank.clips.section, dtype=str)
    far = [other.arrays["embedding"] for other in foreign]
    far = [values for values in far if values.shape[1:] == own.shape[1:]]
    found = {}
    for section in bank.sections:
        near = own[of != section]
        pool = near if len(near) else np.concatenate(far) if far else own[:0]
        # Evenly, so that every section and machine has its share.
        rows = np.linspace(0, len(pool) - 1, min(len(pool), MOST_STRANGERS)).round().astype(int)
        found[section] = pool[rows]
    return found


def _consensus(judged: Mapping[str, Judged]) -> np.ndarray:
    ranks = []
    for one in judged.values():
        of_candidate = np.empty(len(one.scores))
        for rows in one.fitted.rows.values():
            of_candidate[rows] = _ranks(one.scores[rows])
        ranks.append(of_candidate)
    mean: np.ndarray = np.mean(ranks, axis=0)
    return mean


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks (N,) of values, 0 for the smallest."""
    ranks: np.ndarray = np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(float)
    return ranks
