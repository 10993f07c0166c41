"""ROC area, partial area and curve: exact with ties, for one set of scores or many resamples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.integer]

MAX_FPR = 0.1  # the p of the challenge's pAUC


@dataclass(frozen=True, eq=False)
class RocCurve:
    """The points of a ROC curve, from (0, 0) to (1, 1).

    Attributes:
        fpr: false positive rate, (K,), rising.
        tpr: true positive rate, (K,), rising.
        thresholds: (K,), falling from infinity; a clip scored at or above one counts as anomalous.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: P(anomaly above normal) + P(tie) / 2 (Mann-Whitney).

    Args:
        labels: (N,), true for an anomaly.
        scores: (N,), higher for more anomalous.

    Returns:
        A value in [0, 1]; NaN where it is undefined, i.e. without a normal or without an anomaly.

    Raises:
        ValueError: the shapes differ, or a score is NaN.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
        0.875
    """
    return float(resampled_auc(labels, scores, _once(scores))[0])


def partial_auc(labels: ArrayLike, scores: ArrayLike, max_fpr: float = MAX_FPR) -> float:
    """Return the McClish-standardised area under the ROC curve for FPR in [0, ``max_fpr``].

    The value is that of ``sklearn.metrics.roc_auc_score(labels, scores, max_fpr=max_fpr)``: 1 is
    perfect, 0.5 is chance, and the worst is 0.47368 for ``max_fpr`` = 0.1.

    Args:
        labels: (N,), true for an anomaly.
        scores: (N,), higher for more anomalous.
        max_fpr: end of the range, in (0, 1].

    Returns:
        The standardised area; NaN where it is undefined, i.e. without a normal or an anomaly.

    Raises:
        ValueError: the shapes differ, a score is NaN, or ``max_fpr`` is out of range.

    Example:
        >>> round(partial_auc([0, 0, 1, 1], [0.4, 0.1, 0.3, 0.2]), 5)
        0.47368
    """
    return float(resampled_auc(labels, scores, _once(scores), max_fpr)[0])


def resampled_auc(
    labels: ArrayLike, scores: ArrayLike, counts: ArrayLike, max_fpr: float = 1.0
) -> Floats:
    """Return the (partial) area for many resamples of the same clips at once.

    Args:
        labels: (N,), true for an anomaly.
        scores: (N,), higher for more anomalous.
        counts: (R, N), how often each clip occurs in each resample; 0 leaves it out.
        max_fpr: end of the range of FPR, in (0, 1]; 1 is the whole area.

    Returns:
        (R,), standardised as by :func:`partial_auc` (which changes nothing at ``max_fpr`` = 1);
        NaN where a resample holds no normal or no anomaly.

    Raises:
        ValueError: the shapes do not fit, a score is NaN, or ``max_fpr`` is out of range.
    """
    if not 0.0 < max_fpr <= 1.0:
        raise ValueError(f"max_fpr {max_fpr} is not in (0, 1]")
    true, false, _ = _cumulated(labels, scores, counts)
    positives, negatives = true[-1], false[-1]
    area = _area_below(true, false, max_fpr * negatives)
    defined = (positives > 0) & (negatives > 0)
    rate = np.full(area.shape, np.nan)
    np.divide(area, positives * negatives, out=rate, where=defined)
    if max_fpr == 1.0:
        return rate
    chance = 0.5 * max_fpr**2
    return 0.5 * (1.0 + (rate - chance) / (max_fpr - chance))


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> RocCurve:
    """Return the ROC curve, one point a distinct score, behind the point (0, 0).

    Args:
        labels: (N,), true for an anomaly.
        scores: (N,), higher for more anomalous.

    Returns:
        The curve; ``tpr`` is all NaN without an anomaly, ``fpr`` without a normal.

    Raises:
        ValueError: the shapes differ, or a score is NaN.
    """
    true, false, thresholds = _cumulated(labels, scores, _once(scores))
    return RocCurve(_share(false[:, 0]), _share(true[:, 0]), thresholds)


def thinned(curve: RocCurve, points: int) -> RocCurve:
    """Return the corners of a curve, and of those at most ``points``, its ends among them.

    Points inside a straight line carry nothing, so a curve with few corners keeps its exact shape.

    Raises:
        ValueError: ``points`` is under 2.
    """
    if points < 2:
        raise ValueError(f"a curve needs 2 points, not {points}")
    rise, run = np.diff(curve.tpr), np.diff(curve.fpr)
    turns = rise[1:] * run[:-1] != rise[:-1] * run[1:]
    keep = np.flatnonzero(np.concatenate(([True], turns, [True]))[: len(curve.fpr)])
    if len(keep) > points:
        keep = keep[np.linspace(0, len(keep) - 1, points).round().astype(int)]
    return RocCurve(curve.fpr[keep], curve.tpr[keep], curve.thresholds[keep])


def _once(scores: ArrayLike) -> Counts:
    """Return the counts (1, N) in which each clip occurs once."""
    return np.ones((1, np.size(np.asarray(scores))), dtype=np.int64)


def _share(cumulated: Floats) -> Floats:
    total = cumulated[-1]
    return cumulated / total if total > 0 else np.full(cumulated.shape, np.nan)


def _cumulated(
    labels: ArrayLike, scores: ArrayLike, counts: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return true and false positives (G + 1, R) and the threshold (G + 1,) of each point.

    Clips of equal score fall together, so that a tie is one slanted step of the curve. Resamples
    lie on the last axis: the sums then run over whole rows.
    """
    anomalous = np.asarray(labels).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    occurrences = np.asarray(counts)
    if not (anomalous.ndim == 1 and anomalous.shape == values.shape == occurrences.shape[1:]):
        shapes = f"{anomalous.shape}, {values.shape} and {occurrences.shape}"
        raise ValueError(f"labels (N,), scores (N,) and counts (R, N) have shapes {shapes}")
    if np.isnan(values).any():
        raise ValueError("a score is NaN")
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    last_of_ties = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
    weights = occurrences.T[order].astype(np.float64)
    start = np.zeros((1, occurrences.shape[0]))
    is_anomaly = anomalous[order, np.newaxis]
    true = np.cumsum(weights * is_anomaly, axis=0)[last_of_ties]
    false = np.cumsum(weights * ~is_anomaly, axis=0)[last_of_ties]
    thresholds = np.append(np.inf, ranked[last_of_ties])
    return np.concatenate((start, true)), np.concatenate((start, false)), thresholds


def _area_below(true: Floats, false: Floats, limit: Floats) -> Floats:
    """Return the area (R,) under the curve left of ``limit`` (R,) false positives, in clip pairs.

    The step that crosses the limit counts up to it, by linear interpolation; later steps have no
    width left.
    """
    width = np.diff(np.minimum(false, limit), axis=0)
    # Counts are whole numbers, so a floor of 1 alters no step that has a width.
    share = width / np.maximum(np.diff(false, axis=0), 1.0)
    rise = np.diff(true, axis=0) * share
    area: Floats = np.sum(width * (true[:-1] + 0.5 * rise), axis=0)
    return area
