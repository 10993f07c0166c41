"""Local density normalisation: a distance to a reference is measured by how dense the set is there.

LDN: A(x) = min_y D(x, y) / d(y), d(y) being the mean distance of y to its K nearest neighbours in
the reference set. VarMin: A(x) = log D(x, y) - w log d(y) for the nearest y, w minimising the
variance of the leave-one-out training scores; w = 0 is the plain nearest neighbour. (Minimising
over y as well has no such w worth having: the variance falls as w grows, until a few outlying y
with the largest d(y) are nearest to every clip.)

D is the distance as :class:`asd.scoring.distances.Space` has it, 1 - cos for the cosine. Half of
that, as these methods are published, gives the same LDN, and VarMin less a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd.scoring.distances import SAME, blocks, mean_of_smallest, nearest
from asd.scoring.points import Points

# Logarithms of distances stop here: what is nearer is the same clip.
_LEAST = SAME


@dataclass(frozen=True)
class Density:
    """The mean distance d(y) of each reference point to its nearest neighbours in the set.

    Attributes:
        whole: (M,) d(y) in the whole set, above 0.
        clip: (P,) ascending; with ``point`` and ``value`` (P,): d(y) of the point when the
            training clip is left out of the set, where that changes it.
    """

    whole: np.ndarray
    clip: np.ndarray
    point: np.ndarray
    value: np.ndarray

    def without(self, index: np.ndarray) -> np.ndarray:
        """Return d(y) (n, M) with each of the training clips ``index`` (n,) left out in turn."""
        density = np.broadcast_to(self.whole, (len(index), len(self.whole))).copy()
        start = np.searchsorted(self.clip, index, side="left")
        stop = np.searchsorted(self.clip, index, side="right")
        for row, (first, last) in enumerate(zip(start, stop, strict=True)):
            density[row, self.point[first:last]] = self.value[first:last]
        return density


def local_density(points: Points, k: int) -> Density:
    """Return the local density of every point, in the whole set and with each clip left out.

    A point that coincides with its K neighbours takes the smallest positive d(y) of the set, and
    a point with no neighbour, or a set whose points all coincide, takes 1: nothing to judge by.
    A centroid's d(y) is that of the whole clusters.
    """
    whole = np.empty(len(points))
    changes: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    parents = points.rows.parents
    # Without a clip, the k nearest are among as many more as there are points made of it.
    enough = k + int(np.bincount(parents[parents >= 0], minlength=1).max())
    for block in blocks(len(points), len(points) + 2 * k * 3 * enough):
        members = np.arange(len(points))[block]
        apart = points.distances(points.values[block])
        apart[np.arange(len(members)), members] = np.inf
        whole[block] = mean_of_smallest(apart, k)
        row, clip = _clips_near(parents[nearest(apart, k)])
        near = nearest(apart, enough)
        made = (parents[near][row] == clip[:, None, None]).any(axis=2)
        left = np.where(made, np.inf, np.take_along_axis(apart, near, axis=1)[row])
        changes.append((clip, members[row], mean_of_smallest(left, k)))
    clip, point, value = (np.concatenate(part) for part in zip(*changes, strict=True))
    order = np.argsort(clip, kind="stable")
    positive = whole[(whole > 0) & np.isfinite(whole)]
    least = positive.min() if positive.size else 1.0
    return Density(_usable(whole, least), clip[order], point[order], _usable(value[order], least))


def _clips_near(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each pair (row, training clip) in the parents (n, k, 2) of the rows' k nearest."""
    row = np.repeat(np.arange(len(parents)), parents[0].size)
    pairs = np.unique(np.stack([row, parents.ravel()], axis=1), axis=0)
    pairs = pairs[pairs[:, 1] >= 0]
    return pairs[:, 0], pairs[:, 1]


def _usable(density: np.ndarray, least: float) -> np.ndarray:
    return np.where(np.isfinite(density), np.maximum(density, least), 1.0)


def nearest_with_density(
    apart: np.ndarray, density: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of log D(x, y) and of log d(y) over the k nearest y, both (n,).

    Args:
        apart: D(x, y) (n, M), infinite where y is left out.
        density: d(y), as (M,) or (n, M).
        k: how many neighbours.

    Returns:
        The two means; infinite and 0 where no y is left.
    """
    near = nearest(apart, k)
    logs = np.log(np.maximum(np.take_along_axis(apart, near, axis=1), _LEAST))
    around = np.log(np.take_along_axis(np.broadcast_to(density, apart.shape), near, axis=1))
    left = np.isfinite(logs)
    count = left.sum(axis=1)
    level = np.where(left, logs, 0.0).sum(axis=1) / np.maximum(count, 1)
    thinness = np.where(left, around, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, level, np.inf), thinness


def varmin_weight(level: np.ndarray, thinness: np.ndarray) -> float:
    """Return the w that minimises the variance of level - w thinness, both (N,).

    It is the slope of the regression of the one on the other; 0 where the density is the same
    everywhere, so that nothing can be told from it.
    """
    known = np.isfinite(level)
    if known.sum() < 2:
        return 0.0
    centred = thinness[known] - thinness[known].mean()
    spread = centred @ centred
    if spread <= SAME * np.square(thinness[known]).sum():
        return 0.0
    return float(centred @ (level[known] - level[known].mean()) / spread)
