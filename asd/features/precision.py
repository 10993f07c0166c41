"""How near frames of a lower precision are to those of float32."""

from __future__ import annotations

import numpy as np

LEAST_COSINE = 0.999
"""Mean cosine to float32 below which frames of a lower precision are refused."""


def mean_cosine(rows: np.ndarray, exact: np.ndarray) -> float:
    """Return the mean cosine of frames ``rows`` to ``exact``, both (B, F, T)."""
    a, b = rows.astype(np.float64), exact.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)))
