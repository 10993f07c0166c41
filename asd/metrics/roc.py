"""ROC area, partial area and curve: exact with ties, for one set of scores or many resamples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

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
    """

    fpr: Floats
    tpr: Floats


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
    ranked = _ranked(labels, scores, counts)
    if max_fpr == 1.0:
        positives, negatives, area = _pairs_in_order(ranked)
    else:
        positives, negatives, area = _area_below(ranked, max_fpr)
    defined = (positives > 0) & (negatives > 0)
    rate = np.full(area.shape, np.nan)
    np.divide(area, positives * negatives, out=rate, where=defined)
    return rate if max_fpr == 1.0 else standardised(rate, max_fpr)


Area = TypeVar("Area", float, Floats)


def standardised(area: Area, max_fpr: float) -> Area:
    """Return the standardised area (McClish) for one below a ROC curve, FPR in [0, ``max_fpr``]."""
    if max_fpr == 1.0:
        return area
    chance = 0.5 * max_fpr**2
    return 0.5 * (1.0 + (area - chance) / (max_fpr - chance))


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
    ranked = _ranked(labels, scores, _once(scores))
    points = ranked.points()
    true = _from_zero(ranked.anomalous[:, np.newaxis])[points, 0]
    false = _from_zero(~ranked.anomalous[:, np.newaxis])[points, 0]
    return RocCurve(_share(false), _share(true))


def thinned(curve: RocCurve, points: int) -> RocCurve:
    """Return the corners of a curve, and of those at most ``points`` > 1, its ends among them.

    Points inside a straight line carry nothing, so a curve with few corners keeps its exact shape.
    """
    rise, run = np.diff(curve.tpr), np.diff(curve.fpr)
    turns = rise[1:] * run[:-1] != rise[:-1] * run[1:]
    keep = np.flatnonzero(np.concatenate(([True], turns, [True]))[: len(curve.fpr)])
    if len(keep) > points:
        keep = keep[np.linspace(0, len(keep) - 1, points).round().astype(int)]
    return RocCurve(curve.fpr[keep], curve.tpr[keep])


def _once(scores: ArrayLike) -> Counts:
    """Return the counts (1, N) in which each clip occurs once."""
    return np.ones((1, np.size(np.asarray(scores))), dtype=np.int64)


def _share(cumulated: Floats) -> Floats:
    total = cumulated[-1]
    return cumulated / total if total > 0 else np.full(cumulated.shape, np.nan)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Clips from the most anomalous down, with many resamples of them.

    Resamples lie on the last axis: sums then run over whole rows.

    Attributes:
        anomalous: (N,).
        scores: (N,), falling.
        counts: (N, R), how often each clip occurs.
    """

    anomalous: Bools
    scores: Floats
    counts: Floats

    def points(self) -> NDArray[np.intp]:
        """Return how many clips lie above each point of the curve (G + 1,), from 0 to N.

        Clips of equal score fall together, so that a tie is one slanted step of the curve.
        """
        changes = np.flatnonzero(self.scores[1:] != self.scores[:-1]) + 1
        ends = [len(self.scores)] if len(self.scores) else []
        return np.concatenate(([0], changes, ends)).astype(np.intp)


def _from_zero(values: NDArray[Any]) -> Floats:
    """Return the sums of the first 0 to N rows of values (N, R), (N + 1, R)."""
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    return sums


def _ranked(labels: ArrayLike, scores: ArrayLike, counts: ArrayLike) -> _Ranked:
    """Check clips (N,) and their counts (R, N), and sort them."""
    anomalous = np.asarray(labels).astype(bool)
    values = np.asarray(scores, dtype=np.float64)
    occurrences = np.asarray(counts)
    if not (anomalous.ndim == 1 and anomalous.shape == values.shape == occurrences.shape[1:]):
        shapes = f"{anomalous.shape}, {values.shape} and {occurrences.shape}"
        raise ValueError(f"labels (N,), scores (N,) and counts (R, N) have shapes {shapes}")
    if np.isnan(values).any():
        raise ValueError("a score is NaN")
    order = np.argsort(-values, kind="stable")
    weights = occurrences.T[order].astype(np.float64)
    return _Ranked(anomalous[order], values[order], weights)


def _pairs_in_order(ranked: _Ranked) -> tuple[Floats, Floats, Floats]:
    """Return anomalies, normals, and the pairs of them in the right order, (R,) each.

    A tied pair is half in order. All are whole or half numbers, so no rounding depends on the order
    of the sums.
    """
    anomalies = ranked.counts[ranked.anomalous]
    normals = ranked.counts[~ranked.anomalous]
    above = _from_zero(anomalies)
    rising, theirs = -ranked.scores[ranked.anomalous], -ranked.scores[~ranked.anomalous]
    first, last = (np.searchsorted(rising, theirs, side) for side in ("left", "right"))
    pairs = np.einsum("nr,nr->r", normals, above[first])
    tied = first != last
    if tied.any():
        half = above[last[tied]] - above[first[tied]]
        pairs += 0.5 * np.einsum("nr,nr->r", normals[tied], half)
    return above[-1], normals.sum(axis=0), pairs


def _area_below(ranked: _Ranked, max_fpr: float) -> tuple[Floats, Floats, Floats]:
    """Return anomalies, normals, and the area left of ``max_fpr`` in clip pairs, (R,) each.

    The step that crosses the limit counts up to it, by linear interpolation; later steps have no
    width left.
    """
    points = ranked.points()
    anomalies, normals = ranked.counts[ranked.anomalous], ranked.counts[~ranked.anomalous]
    above = np.concatenate(([0], np.cumsum(ranked.anomalous)))[points]
    false = _from_zero(normals)[points - above]
    limit = max_fpr * false[-1]
    steps = np.arange(len(points) - 1)
    # Steps without a width add nothing. Of a single resample they stay: NumPy sums one column in
    # pairs, and the last bit would tell how many there were.
    if len(limit) > 1:
        steps = steps[np.diff(points - above) > 0]
        steps = steps[(false[steps] < limit).any(axis=1)]
    true = _from_zero(anomalies[: above[steps[-1] + 1] if len(steps) else 0])
    left, right = false[steps], false[steps + 1]
    low, high = true[above[steps]], true[above[steps + 1]]
    width = np.minimum(right, limit) - np.minimum(left, limit)
    # Counts are whole numbers, so a floor of 1 alters no step that has a width.
    share = width / np.maximum(right - left, 1.0)
    area: Floats = np.sum(width * (low + 0.5 * ((high - low) * share)), axis=0)
    return anomalies.sum(axis=0), normals.sum(axis=0), area
