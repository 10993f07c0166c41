"""The points of a reference set in the space of distances, and distances with a clip left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd.scoring.distances import Space
from asd.scoring.references import Rows
from asd.scoring.repeatable import repeatable


@dataclass(frozen=True)
class Points:
    """Mapped points to compare with.

    Attributes:
        space: where they are compared.
        rows: (M, D) mapped points, and the training clips that each is made of.
        cluster: (N,) the point that is the centroid of a cluster with training clip i, or -1.
        sizes: (M,) how many clips a centroid is the mean of; 1 for any other point.
    """

    space: Space
    rows: Rows
    cluster: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.rows.values)

    def distances(self, clips: np.ndarray) -> np.ndarray:
        """Return the distances (n, M) of mapped clips (n, D)."""
        return self.space.between(clips, self.rows.values)

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
            without = (size * self.rows.values[own] - clips[mine]) / (size - 1)
            apart[mine, own] = self.space.paired(clips[mine], without)
        return apart


def points(rows: Rows, count: int, space: Space, centroids: int, seed: int) -> Points:
    """Map reference rows, the source clips replaced by ``centroids`` k-means centroids if not 0.

    The centroids are means of mapped rows and are not mapped again: for the cosine a centroid is
    shorter than 1, the more so the wider its cluster.

    Args:
        rows: reference rows made of ``count`` training clips.
    """
    mapped = Rows(space.map(rows.values), rows.parents, rows.sources)
    cluster, sizes = np.full(count, -1), np.ones(len(rows.values), np.intp)
    if not centroids or rows.sources <= centroids:
        return Points(space, mapped, cluster, sizes)
    labels = _clusters(mapped.values[: rows.sources], centroids, seed)
    used, labels, members = np.unique(labels, return_inverse=True, return_counts=True)
    centres = np.zeros((len(used), mapped.values.shape[1]))
    np.add.at(centres, labels, mapped.values[: rows.sources])
    centres /= members[:, None]
    parents = np.full((len(used), 2), -1)
    clips = rows.parents[: rows.sources, 0]
    alone = members[labels] == 1
    # The only clip of a cluster is that cluster's point, which vanishes with the clip.
    parents[labels[alone], 0] = clips[alone]
    cluster[clips[~alone]] = labels[~alone]
    values = np.concatenate([centres, mapped.values[rows.sources :]])
    parents = np.concatenate([parents, rows.parents[rows.sources :]])
    sizes = np.concatenate([members, sizes[rows.sources :]])
    return Points(space, Rows(values, parents, 0), cluster, sizes)


def _clusters(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the k-means cluster (n,) of each row (n, D)."""
    from sklearn.cluster import KMeans

    with repeatable():
        labels: np.ndarray = KMeans(count, n_init=4, random_state=seed).fit_predict(rows)
    return labels
