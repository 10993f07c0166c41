"""The points of a reference set in the space of distances, and distances with a clip left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from asd.scoring.distances import Space, settled
from asd.scoring.references import Rows
from asd.scoring.repeatable import repeatable
from asd.scoring.screening import largest_cosines, unit_rows


@dataclass(frozen=True)
class Points:
    """Mapped points to compare with.

    Attributes:
        space: where they are compared.
        rows: (M, D) points, mapped or not, and the training clips that each is made of.
        cluster: (N,) the point that is the centroid of a cluster with training clip i, or -1.
        sizes: (M,) how many clips a centroid is the mean of; 1 for any other point.
        mapped: whether the rows are mapped.
    """

    space: Space
    rows: Rows
    cluster: np.ndarray
    sizes: np.ndarray
    mapped: bool = False

    def __len__(self) -> int:
        return len(self.rows.values)

    @cached_property
    def values(self) -> np.ndarray:
        """The mapped points (M, D) float64."""
        return self._values(slice(None))

    def _values(self, some: np.ndarray | slice) -> np.ndarray:
        rows = self.rows.values[some]
        return rows if self.mapped else self.space.map(rows)

    @cached_property
    def _single(self) -> np.ndarray:
        rows = self.rows.values
        if rows.dtype == np.float32 and not self.mapped:
            unit = unit_rows(rows)
            if unit is not None:
                return unit
        # All points in double precision would be kept for the sake of a few.
        return self._values(slice(None)).astype(np.float32)

    def nearest(self, clips: np.ndarray) -> np.ndarray:
        """Return the distance (n,) of mapped clips (n, D) to the nearest point."""
        if self.space.distance != "cosine":
            return self.distances(clips).min(axis=1)
        return settled(1.0 - largest_cosines(clips, self._single, self._values), 1.0)

    def distances(self, clips: np.ndarray) -> np.ndarray:
        """Return the distances (n, M) of mapped clips (n, D)."""
        return self.space.between(clips, self.values)

    def distances_without(self, clips: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the distances (n, M) of mapped training clips, each left out of the set.

        What is made of a clip is infinitely far from it; a centroid is taken without it, the
        clusters being kept.

        Args:
            clips: (n, D) mapped training clips.
            index: (n,) which training clips they are.
        """
        apart = self.distances(clips)
        apart[self.rows.of(index)] = np.inf
        mine = np.flatnonzero(self.cluster[index] >= 0)
        if len(mine):
            own = self.cluster[index[mine]]
            size = self.sizes[own][:, None]
            without = (size * self.values[own] - clips[mine]) / (size - 1)
            apart[mine, own] = self.space.paired(clips[mine], without)
        return apart


def points(rows: Rows, count: int, space: Space, centroids: int, seed: int) -> Points:
    """Return reference rows, the source clips replaced by ``centroids`` k-means centroids if not 0.

    The centroids are means of mapped rows and are not mapped again: for the cosine a centroid is
    shorter than 1, the more so the wider its cluster.

    Args:
        rows: reference rows made of ``count`` training clips.
    """
    cluster, sizes = np.full(count, -1), np.ones(len(rows.values), np.intp)
    if not centroids or rows.sources <= centroids:
        return Points(space, rows, cluster, sizes)
    mapped = space.map(rows.values)
    labels = _clusters(mapped[: rows.sources], centroids, seed)
    used, labels, members = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.zeros((len(used), mapped.shape[1]))
    np.add.at(centres, labels, mapped[: rows.sources])
    centres /= members[:, None]
    parents = np.full((len(used), 2), -1)
    clips = rows.parents[: rows.sources, 0]
    alone = members[labels] == 1
    # The only clip of a cluster is that cluster's point, which vanishes with the clip.
    parents[labels[alone], 0] = clips[alone]
    cluster[clips[~alone]] = labels[~alone]
    values = np.concatenate([centres, mapped[rows.sources :]])
    parents = np.concatenate([parents, rows.parents[rows.sources :]])
    sizes = np.concatenate([members, sizes[rows.sources :]])
    return Points(space, Rows(values, parents, 0), cluster, sizes, mapped=True)


def _clusters(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the k-means cluster (n,) of each row (n, D)."""
    from sklearn.cluster import KMeans

    with repeatable():
        labels: np.ndarray = KMeans(count, n_init=4, random_state=seed).fit_predict(rows)
    return labels
