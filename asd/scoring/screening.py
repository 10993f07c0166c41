"""The nearest of many rows: looked for in single precision, measured in double."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from asd.scoring.distances import blocks

_FEW = 8  # candidates a row, beyond which single precision does not tell enough of them apart
_LEAST = 1e-30  # of a squared length that single precision holds with all its digits


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
    unit: np.ndarray = rows / np.sqrt(squares)[:, None]
    return unit


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
