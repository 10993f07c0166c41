"""Scorers: from what a model gives for a clip to an anomaly score, higher for more anomalous sound.

A scorer is fitted to the bank of a machine's training clips and scores each section on its own:

    >>> scorer = build("neighbours", {"distance": "standardised", "k": 2})
    >>> type(scorer).__name__
    'Neighbours'

A new scorer is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asd.config import settings
from asd.registry import Registry

if TYPE_CHECKING:
    from asd.scoring.base import Scorer

SCORERS: Registry[type[Scorer]] = Registry(
    "scorer",
    {
        "bands": "asd.scoring.bands:Bands",
        "cosine": "asd.scoring.neighbours:Cosine",
        "error": "asd.scoring.error:Error",
        "gmm": "asd.scoring.gaussian:Gmm",
        "mahalanobis": "asd.scoring.gaussian:Mahalanobis",
        "neighbours": "asd.scoring.neighbours:Neighbours",
        "posterior": "asd.scoring.posterior:Posterior",
        "varmin": "asd.scoring.varmin:VarMin",
    },
    "asd.scorers",
)


def build(name: str, values: Mapping[str, Any], where: str = "scorer") -> Scorer:
    """Return the scorer ``name`` with its settings checked.

    Args:
        name: a key of :data:`SCORERS`.
        values: its settings; what is missing takes the scorer's default.
        where: what an error names, such as ``"systems.6.settings"``.

    Raises:
        UsageError: an unknown scorer, an unknown key or an impossible value.

    Example:
        >>> from pathlib import Path
        >>> from asd.scoring.bank import read_bank
        >>> train = read_bank(Path("data/banks/mel/pump/train.h5"))
        >>> test = read_bank(Path("data/banks/mel/pump/test.h5"))
        >>> fitted = build("neighbours", {"distance": "cosine", "k": 2}).fit(train)
        >>> fitted.score(test.arrays, test.clips.section).shape, fitted.training_scores().shape
        ((8,), (18,))
    """
    kind = SCORERS[name]
    return kind(settings(kind.Config, values, where))
