"""Decision thresholds from the scores of training clips alone.

A clip is called anomalous when its score is *above* the threshold. The training scores should be
those of :meth:`asd.scoring.base.FittedScorer.training_scores`, each clip being left out: compared
with themselves all clips look normal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from asd.config import Settings
from asd.errors import JobError, UsageError
from asd.registry import Registry


class Threshold(Settings):
    """A threshold and how it was found.

    Attributes:
        method: a key of :data:`THRESHOLDS`.
        value: scores above it are decided to be anomalous; infinite where none can be.
        rate: the share of normal clips that may be called anomalous, as asked for.
        count: how many training scores it was found from.
        guaranteed: the false-alarm rate that holds whatever the distribution of the scores, if
            those of training and normal test clips are exchangeable; ``None`` for no guarantee.
        note: how the method met scores that it does not fit; ``""`` where it fits.
    """

    method: Literal["gamma", "quantile", "conformal"]
    value: float
    rate: float = Field(gt=0, lt=1)
    count: int = Field(ge=1)
    guaranteed: float | None = None
    note: str = ""


Method = Callable[[np.ndarray, float], Threshold]
THRESHOLDS: Registry[Method] = Registry(
    "threshold",
    {
        "conformal": "asd.scoring.thresholds:conformal",
        "gamma": "asd.scoring.thresholds:gamma",
        "quantile": "asd.scoring.thresholds:quantile",
    },
)


def find_threshold(method: str, scores: np.ndarray, rate: float = 0.1) -> Threshold:
    """Return the threshold for the training scores (N,) of a section.

    Args:
        method: a key of :data:`THRESHOLDS`; ``gamma`` with a rate of 0.1 is the challenge's rule.
        scores: those of training clips, each left out.
        rate: the share of normal clips that may be called anomalous, in (0, 1).

    Raises:
        UsageError: an unknown method, an impossible rate, or no scores.
        JobError: a score is not finite.

    Example:
        >>> find_threshold("quantile", np.arange(10.0), rate=0.2).value
        7.0
    """
    find = THRESHOLDS[method]
    if not 0 < rate < 1:
        raise UsageError(f"false-alarm rate {rate} is not between 0 and 1")
    if scores.ndim != 1 or not len(scores):
        raise UsageError(
            f"threshold '{method}' needs training scores, shape {scores.shape} has none"
        )
    if not np.isfinite(scores).all():
        raise JobError(f"threshold '{method}': a training score is not finite")
    return find(scores.astype(np.float64), rate)


def gamma(scores: np.ndarray, rate: float) -> Threshold:
    """Fit a gamma distribution; the threshold is its percentile at 1 - ``rate``.

    The challenge's rule: shape, location and scale by maximum likelihood. The free location lets
    scores be negative. The family is closed under shift and scale, so the fit is made at mean 0 and
    deviation 1: the optimiser's tolerances are absolute and fail on scores of the order of 1e-4.

    There is not always a maximum, and then it is said in the note:

    - scores that are all the same: the threshold is that score, so that nothing is above it;
    - scores not skewed to the right: the normal distribution, which the gamma tends to;
    - a likelihood that grows without bound as the location nears the lowest score (shape below
      1): the gamma with the scores' mean, deviation and skewness.
    """
    from scipy import stats

    mean, deviation = scores.mean(), scores.std()
    if deviation <= 1e-12 * max(np.abs(scores).max(), np.finfo(float).tiny):
        value = float(scores.max())
        return _threshold("gamma", value, rate, scores, note="all training scores are the same")
    unit = (scores - mean) / deviation
    skewness = float(stats.skew(unit))
    note = ""
    # Below this the gamma cannot be told from the normal distribution.
    if skewness <= 1e-3:
        level, note = stats.norm.ppf(1 - rate), "not skewed to the right: normal distribution"
    else:
        shape, location, scale = stats.gamma.fit(unit)
        if not (np.isfinite([shape, location, scale]).all() and shape >= 1 and scale > 0):
            shape, location, scale = 4 / skewness**2, -2 / skewness, skewness / 2
            note = "no maximum of the likelihood: gamma of the same moments"
        level = stats.gamma.ppf(1 - rate, shape, location, scale)
    return _threshold("gamma", float(mean + deviation * level), rate, scores, note=note)


def quantile(scores: np.ndarray, rate: float) -> Threshold:
    """Take the smallest training score that at most a share ``rate`` of them is above."""
    above = int(np.floor(rate * len(scores) + 1e-9))
    return _threshold("quantile", float(np.sort(scores)[-1 - above]), rate, scores)


def conformal(scores: np.ndarray, rate: float) -> Threshold:
    """Call a clip anomalous when its conformal p-value is at most ``rate``.

    If the training scores and the score of a normal clip are exchangeable, normal clips are called
    anomalous with a probability of at most ``guaranteed`` = floor(rate (n + 1)) / (n + 1). Scores
    of held-out clips are; those of clips left out with their fold are nearly so: each was scored
    against a tenth of the clips fewer. With fewer than 1 / rate - 1 scores nothing can be called
    anomalous: the threshold is infinite.
    """
    count = len(scores)
    ranks = int(np.floor(rate * (count + 1) + 1e-9))
    value = float(np.sort(scores)[-ranks]) if ranks else np.inf
    note = "" if ranks else f"{count} training scores are too few for this rate: no alarm"
    return _threshold("conformal", value, rate, scores, ranks / (count + 1), note)


def conformal_p_values(calibration: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return p = (1 + #{calibration scores >= s}) / (n + 1) for each score s, (N,) in (0, 1].

    Args:
        calibration: (n,) scores of normal clips.
        scores: (N,) scores of the clips in question.

    Example:
        >>> conformal_p_values(np.arange(9.0), np.array([-1.0, 4.5, 100.0])).tolist()
        [1.0, 0.5, 0.1]
    """
    below = np.searchsorted(np.sort(calibration), scores, side="left")
    return (1 + len(calibration) - below) / (len(calibration) + 1)


def dumped(one: Threshold) -> dict[str, Any]:
    """Return a threshold as JSON, an infinite value as ``null``."""
    return {**one.model_dump(), "value": one.value if np.isfinite(one.value) else None}


def loaded(values: Mapping[str, Any]) -> Threshold:
    """Return the threshold that :func:`dumped` was given."""
    value = values["value"]
    return Threshold.model_validate({**values, "value": np.inf if value is None else value})


def _threshold(
    method: Literal["gamma", "quantile", "conformal"],
    value: float,
    rate: float,
    scores: np.ndarray,
    guaranteed: float | None = None,
    note: str = "",
) -> Threshold:
    return Threshold(
        method=method, value=value, rate=rate, count=len(scores), guaranteed=guaranteed, note=note
    )
