"""The official numbers of 4,200 clips with their interval, against the official way to get them.

Ours: every area of 42 sections, the official score, and its 95 % interval from 1,000 resamples of
the clips (:func:`asd.metrics.summary.assess`). Peer: the procedure of the official evaluator of
2022: scikit-learn's ``roc_auc_score`` for every area, and the jackknife over all clips: the AUC and
the pAUC once more without each of the 4,200 clips. Every 20th clip is left out here, and that time
taken 20-fold. Both begin with arrays in memory, and both give the same official score; the peer's
interval is of another quantity (the AUC of all clips pooled), so it is not compared. One thread
each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.base import Bound, Result, fastest
from tests.benchmarks.material import scored_sections

BOUNDS = (Bound("official jackknife", at_least=20.0, aim=100.0),)
SECTIONS, CLIPS, PART, ROUNDS = 42, 100, 20, 5


def run(scratch: Path) -> Result:
    """Evaluate the same scores on both sides."""
    from threadpoolctl import threadpool_limits

    from asd.metrics.rules import RULES, System
    from asd.metrics.summary import assess

    sections = scored_sections(SECTIONS, CLIPS)
    rules = RULES["2022"]

    def ours() -> Any:
        return assess(System("system", sections), rules, resamples=1000)

    with threadpool_limits(limits=1):
        assert abs(ours().evaluation.score - _official_score(sections)) < 1e-9
        taken = fastest(
            {
                "ours": ours,
                "score": lambda: _official_score(sections),
                "part": lambda: _jackknife(sections, PART),
            },
            ROUNDS,
        )
    peer = taken["score"] + PART * taken["part"]
    return Result(
        name="evaluate",
        work=f"official numbers and interval of {SECTIONS * CLIPS:,} clips",
        unit="s",
        ours=taken["ours"],
        peers={BOUNDS[0].peer: peer},
        ratios={BOUNDS[0].peer: peer / taken["ours"]},
        bounds=BOUNDS,
        notes=f"a jackknife of every {PART}th clip, scaled",
    )


def _official_score(sections: list[Any]) -> float:
    """Return the harmonic mean of all areas, each by scikit-learn."""
    from scipy.stats import hmean
    from sklearn.metrics import roc_auc_score

    areas = []
    for one in sections:
        for domain in ("source", "target"):
            chosen = (one.domains == domain) | one.labels
            areas.append(roc_auc_score(one.labels[chosen], one.scores[chosen]))
        areas.append(roc_auc_score(one.labels, one.scores, max_fpr=0.1))
    return float(hmean(np.maximum(areas, np.finfo(float).eps)))


def _jackknife(sections: list[Any], step: int) -> tuple[float, float]:
    """Return the deviations of AUC and pAUC over all clips, leaving out every ``step``-th."""
    from sklearn.metrics import roc_auc_score

    labels = np.concatenate([one.labels for one in sections])
    scores = np.concatenate([one.scores for one in sections])
    left_out = range(0, len(labels), step)
    areas = np.array(
        [
            (
                roc_auc_score(np.delete(labels, i), np.delete(scores, i)),
                roc_auc_score(np.delete(labels, i), np.delete(scores, i), max_fpr=0.1),
            )
            for i in left_out
        ]
    )
    auc, pauc = areas.std(axis=0)
    return float(auc), float(pauc)
