"""Distances between embeddings, as matrix products over blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Distance = Literal["cosine", "euclidean", "standardised"]

# Embeddings are float32: rows nearer than a millionth of their norms are the same row, and a
# distance of exactly zero does not depend on how a matrix product was cut into blocks.
SAME = 1e-12
BLOCK = 2**21
# Of the search for the nearest in single precision:
_FEW = 8  # candidates a row, beyond which single precision does not tell enough of them apart
_LEAST = 1e-30  # of a squared length that single precision holds with all its digits


@dataclass(frozen=True)
class Space:
    """Where embeddings are compared. Rows are mapped once (:meth:`map`), then compared.

    Attributes:
        distance: ``cosine`` (1 - cos, 0 to 2; Eq. 7), ``euclidean``, or ``standardised``:
            Euclidean after each dimension has been given mean 0 and deviation 1.
        mean: (D,) of the training clips, for ``standardised``.
        deviation: (D,) of the training clips, for ``standardised``.
    """

    distance: Distance
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None

    @classmethod
    def of(cls, distance: Distance, embedding: np.ndarray) -> Space:
        """Return the space for the training embeddings (N, D).

        A dimension that does not vary keeps its unit: it has no deviation to be measured in.
        """
        if distance != "standardised":
            return cls(distance)
        mean = embedding.mean(axis=0, dtype=np.float64)
        deviation = embedding.std(axis=0, dtype=np.float64)
        constant = deviation <= np.sqrt(SAME) * np.abs(mean)
        return cls(distance, mean, np.where(constant, 1.0, deviation))

    def map(self, embedding: np.ndarray) -> np.ndarray:
        """Return rows (n, D) float64 to be compared: of length 1 for ``cosine``.

        An embedding of zero has no direction; it stays zero, and its cosine to any other is 0.
        """
        rows = np.array(embedding, np.float64)
        if self.mean is not None and self.deviation is not None:
            rows -= self.mean
            rows /= self.deviation
        if self.distance == "cosine":
            length = np.sqrt(_squares(rows))[:, None]
            rows /= np.where(length > 0, length, 1.0)
        return rows

    def between(self, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return the distances (n, M) of mapped rows (n, D) to mapped points (M, D)."""
        products = rows @ points.T
        if self.distance == "cosine":
            return settled(np.subtract(1.0, products, out=products), 1.0)
        total = _squares(rows)[:, None] + _squares(points)
        products *= -2.0
        products += total
        return np.sqrt(settled(products, total), out=products)


def blocks(count: int, width: int) -> Iterator[slice]:
    """Yield slices over ``count`` rows such that a block of rows of ``width`` stays small."""
    step = max(1, BLOCK // max(width, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def nearest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the columns (n, k') of the k smallest of each row (n, M), k' = min(k, M), unsorted."""
    if k == 1:
        return values.argmin(axis=1)[:, None]
    if k >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, k - 1, axis=1)[:, :k]


def mean_of_smallest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the mean (n,) of the k smallest finite values of each row (n, M).

    A row with fewer finite values gives the mean of those; a row with none gives infinity.
    """
    if k == 1:
        return values.min(axis=1)
    if k < values.shape[1]:
        values = np.partition(values, k - 1, axis=1)[:, :k]
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def settled(values: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Set to zero, in place, the values (...) that rounding alone may have left of ``scale``."""
    same = values < SAME * scale
    if same.any():
        values[same] = 0.0
    return values


def largest_cosines(
    rows: np.ndarray, single: np.ndarray, points: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the largest cosine (n,) float64 of each row to any of the points.

    Products in single precision leave the few points that can be the nearest, by the bound of what
    rounding may add up to; their products alone are computed in double, one pair after the other.
    So the values do not depend on how a library cuts a matrix product up, nor on what else is
    asked for with a row.

    Args:
        rows: (n, D) float64 of length 1, or 0.
        single: (M, D) float32, M > 0: the points, no longer than 1.
        points: gives the points at some places (k,) as (k, D) float64.
    """
    row, point = _candidates(rows.astype(np.float32), single)
    if len(row) > _FEW * len(rows):
        row, point = _candidates(rows, points(np.arange(len(single))))
    products = np.empty(len(row))
    for pairs in blocks(len(row), rows.shape[1]):
        products[pairs] = np.einsum("nd,nd->n", rows[row[pairs]], points(point[pairs]))
    first = np.searchsorted(row, np.arange(len(rows)))
    return np.maximum.reduceat(products, first)


def unit_rows(rows: np.ndarray) -> np.ndarray | None:
    """Return rows (M, D) float32 at length 1 in single precision, None where it does not hold them.

    Lengths are off by D / 2 roundings at most.
    """
    squares = np.einsum("nd,nd->n", rows, rows)
    if not (squares.min() > _LEAST and squares.max() < 1 / _LEAST):
        return None
    return rows / np.sqrt(squares)[:, None]


def _candidates(rows: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (row, point), by row, that may be the largest product of their row.

    A sum of D products of two rows of length 1 is off by at most D roundings, whatever its order
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and lengths by half as
    many; a few more cover those of the rows themselves. Two products compared may each be off.
    """
    products = rows @ points.T
    slack = (1.5 * rows.shape[1] + 8) * np.finfo(products.dtype).eps  # two roundings each
    least = products.max(axis=1) - slack
    # Of an array of two dimensions nonzero takes as long as the product did.
    row, point = np.divmod(np.flatnonzero(products >= least[:, None]), len(points))
    return row, point


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rows, rows)
