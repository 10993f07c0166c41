"""Scores of training clips that are as high as those of clips to come, for thresholds that hold.

A leave-one-out score is too low. The clip that is left out of a scorer's references is still in the
mean and deviation of each band, and its score is among those that a member is standardised by; the
maximum over members shows what is too low in any of them. Here a clip is left out of all of it: the
whole system is fitted without its fold. Where 10 % false alarms were asked for (gamma; views of own
recordings; means over random splits of the normal clips of seven genuine units and three kinds of
synthetic features), the rates, and the anomalies found, were:

    clips              8     15     30     60    120
    leave-one-out    .45    .23    .16    .12    .12
    without a fold   .07    .08    .10    .10    .11
    anomalies found  .80    .68    .66    .73    .76
    without a fold   .25    .39    .53    .68    .74

A system that is fitted to nine tenths of the clips has somewhat higher scores than the one that is
used, so the rate asked for is rather an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from asd.scoring.bank import Bank
from asd.scoring.system import FittedSystem, fit_system

FOLDS = 10
ENOUGH = 200
"""Clips of a section from which on leave-one-out scores are used: there is nothing to mend."""


def cross_fitted_scores(system: FittedSystem, banks: Mapping[str, Bank]) -> np.ndarray:
    """Return the scores (N,) float64 of the bank's clips by systems fitted without them.

    Sections of more than :data:`ENOUGH` clips, and those of a single one, keep their leave-one-out
    scores.

    Args:
        system: the system, fitted to all of the clips.
        banks: by model, the banks that it was fitted to.
    """
    scores = system.training_scores()
    for out in _folds(system.bank):
        section = system.bank.clips.section
        kept = np.isin(section, [section[row] for row in out])
        kept[out] = False
        parts = {model: bank.only(np.flatnonzero(kept)) for model, bank in banks.items()}
        without = fit_system(system.members, parts, system.join)
        outputs = {
            model: {name: values[out] for name, values in bank.arrays.items()}
            for model, bank in banks.items()
        }
        scores[out] = without.score(outputs, [section[row] for row in out])
    return scores


def counted_by_domain(scores: np.ndarray, domains: Sequence[str]) -> np.ndarray:
    """Return the scores (m,) of a section's clips, repeated so that its domains count alike.

    Among the clips to come the target domain is not as rare as among the training clips. Its scores
    are higher, so that a threshold found from all scores as they are calls most of its normal clips
    anomalous. On genuine fans, with 10 of 510 training clips of the target domain and 10 % asked
    for, it called .69 to 1.00 of them so, and .38 to .55 of all normal clips, of which half are of
    that domain. Counted alike it was .04 to .18 of all, at the price of anomalies: .71 to 1.00 of
    them found in place of .96 to 1.00. Scores of one domain stay as they are.

    Args:
        scores: (N,) of the training clips.
        domains: (N,) their domains.

    Example:
        >>> counted_by_domain(np.array([1.0, 2.0, 5.0]), ["source", "source", "target"]).tolist()
        [1.0, 2.0, 5.0, 5.0]
    """
    names, number, counts = np.unique(domains, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return scores
    repeats = np.rint(counts.max() / counts).astype(int)
    counted: np.ndarray = np.repeat(scores, repeats[number])
    return counted


def _folds(bank: Bank) -> Iterator[np.ndarray]:
    """Yield the rows (n,) that are left out together, a tenth of each section and domain.

    They follow each other in the bank: recordings made one after the other are alike, and those to
    come will be of another day. Windows of a recording are left out together; those of a single
    recording one after the other.
    """
    clips = bank.clips
    sections, domains = np.array(clips.section, dtype=str), np.array(clips.domain, dtype=str)
    recordings = np.array(clips.recording, dtype=str)
    fold = np.full(len(bank), -1)
    for section in bank.sections:
        rows = np.flatnonzero(sections == section)
        if not 1 < len(rows) <= ENOUGH:
            continue
        whose = recordings if len(np.unique(recordings[rows])) > 1 else np.arange(len(bank))
        started = 0
        for domain in np.unique(domains[rows]):
            own = rows[domains[rows] == domain]
            _, first, number = np.unique(whose[own], return_index=True, return_inverse=True)
            # By the order in which recordings begin in the bank.
            place = np.argsort(np.argsort(first))[number]
            # Rare domains go on where the one before ended, lest one fold have a clip of each.
            share = min(FOLDS, len(first))
            fold[own] = (place * share // len(first) + started) % FOLDS
            started += share
    for number in np.unique(fold[fold >= 0]):
        yield np.flatnonzero(fold == number)
