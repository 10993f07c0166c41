"""Embeddings of a section's test clips laid out in the plane (t-SNE, the paper's Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EXACT = 500  # clips up to which the exact gradient is the faster one
_FEWEST = 5


@dataclass(frozen=True, eq=False)
class Map:
    """Where the clips of one section lie for one model.

    Attributes:
        places: (N, 2), in no unit: near clips are alike, far ones only differ.
        labels: (N,) ``"normal"``, ``"anomaly"`` or ``""``.
        domains: (N,) ``"source"``, ``"target"`` or ``""``.
    """

    places: NDArray[np.float64]
    labels: NDArray[np.str_]
    domains: NDArray[np.str_]


def lay_out(embeddings: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64] | None:
    """Return places (N, 2) for embeddings (N, D) by t-SNE on cosine distance.

    The distance is that of the paper's Eq. 7. The same embeddings give the same places, whatever
    the number of threads.

    Returns:
        None for fewer than five clips, which no neighbourhood can be drawn from.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(embeddings)
    if count < _FEWEST:
        return None
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = embeddings / np.maximum(lengths, 1e-12)
    method = "exact" if count <= _EXACT else "barnes_hut"
    # Euclidean distance of directions grows with their cosine distance; PCA needs vectors.
    tsne = TSNE(
        perplexity=min(30.0, (count - 1) / 6),
        init="pca",
        method=method,
        random_state=seed,
        n_jobs=1,
    )
    with threadpool_limits(1):
        if np.ptp(directions, axis=0).max() < 1e-9:
            return np.zeros((count, 2))
        return np.asarray(tsne.fit_transform(directions), dtype=np.float64)
