"""Gaussians over embeddings, and their densities with one training clip left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asd.scoring.references import Rows

# A rank-one change of a covariance that leaves less than this is rounding.
_LEAST = 1e-15


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian N(m, a S + b I), S being the covariance of weighted rows.

    Attributes:
        rows: the rows (M, D) that it was fitted to, and the training clips they are made of.
        weights: (M,) how much of each row belongs to this Gaussian, 0 to 1.
        mean: (D,) m.
        axes: (D, D) the eigenvectors of S, in columns.
        spectrum: (D,) the eigenvalues of S.
        scale: a.
        ridge: b, above 0.
    """

    rows: Rows
    weights: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    spectrum: np.ndarray
    scale: float
    ridge: float

    @classmethod
    def fit(cls, rows: Rows, weights: np.ndarray, scale: float, ridge: float) -> Gaussian:
        """Fit to rows (M, D) with weights (M,) of which one at least is above 0."""
        mean, covariance = _moments(rows.values, weights)
        spectrum, axes = np.linalg.eigh(covariance)
        return cls(rows, weights, mean, axes, np.maximum(spectrum, 0.0), scale, ridge)

    def measure(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the squared Mahalanobis distances (n,) and the log-determinants (n,).

        Args:
            clips: (n, D) embeddings.
        """
        variances = self.scale * self.spectrum + self.ridge
        squared = ((clips - self.mean) @ self.axes) ** 2 @ (1.0 / variances)
        return squared, np.full(len(clips), np.log(variances).sum())

    def measure_without(
        self, clips: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what :meth:`measure` does, each training clip being left out of the fit.

        The weights of the other rows, ``scale`` and ``ridge`` stay as they are. Where nothing of
        the Gaussian is left, the distance is infinite.

        Args:
            clips: (n, D) embeddings of training clips.
            index: (n,) which training clips they are.
        """
        squared, logdet = self.measure(clips)
        made = self.rows.of(index)
        count = made.sum(axis=1)
        single = np.flatnonzero(count == 1)
        if len(single):
            gone = self.weights[made[single].argmax(axis=1)]
            squared[single], logdet[single] = self._downdated(clips[single], gone)
        for one in np.flatnonzero(count > 1):
            squared[one], logdet[one] = self._refitted(clips[one], made[one])
        return squared, logdet

    def _downdated(self, clips: np.ndarray, gone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Leave each clip (n, D) of weight ``gone`` (n,) out: a rank-one change of S.

        With N the sum of weights, r the clip's own, N' = N - r and e = x - m, the rest has the
        covariance (N / N') S - (r N / N'^2) e e^T, and x lies (N / N') e from its mean.
        """
        total = self.weights.sum()
        rest = total - gone
        left = rest > _LEAST * total
        rest = np.where(left, rest, 1.0)
        grown = total / rest
        variances = self.scale * grown[:, None] * self.spectrum + self.ridge
        projected = ((clips - self.mean) @ self.axes) ** 2 / variances
        change = self.scale * gone * total / rest**2
        kept = np.maximum(1.0 - change * projected.sum(axis=1), _LEAST)
        squared = grown**2 * projected.sum(axis=1) / kept
        logdet = np.log(variances).sum(axis=1) + np.log(kept)
        return np.where(left, squared, np.inf), logdet

    def _refitted(self, clip: np.ndarray, gone: np.ndarray) -> tuple[float, float]:
        """Leave several rows out, those that are made of the clip (D,)."""
        weights = np.where(gone, 0.0, self.weights)
        if weights.sum() <= _LEAST * self.weights.sum():
            return np.inf, 0.0
        mean, covariance = _moments(self.rows.values, weights)
        covariance *= self.scale
        covariance[np.diag_indices_from(covariance)] += self.ridge
        apart = clip - mean
        squared = apart @ np.linalg.solve(covariance, apart)
        return float(squared), float(np.linalg.slogdet(covariance)[1])


def _moments(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (D,) and the covariance (D, D) of weighted rows (M, D)."""
    share = weights / weights.sum()
    mean = share @ rows
    centred = (rows - mean) * np.sqrt(share)[:, None]
    return mean, centred.T @ centred
