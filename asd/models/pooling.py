"""Pooling over time for training-free systems: features (B, F, T) to embeddings (B, F).

A pooling is its settings, called with frames (B, F, T); see :data:`POOLINGS`. What it gives for a
clip does not depend on the other clips of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from asd.config import Settings, settings
from asd.registry import Registry


class Pooling(Protocol):
    """What pools frames (B, F, T) float64 to (B, F)."""

    def __call__(self, frames: np.ndarray) -> np.ndarray: ...


POOLINGS: Registry[type[Settings]] = Registry(
    "pooling",
    {
        "deviation": "asd.models.pooling:Deviation",
        "gem": "asd.models.pooling:Gem",
        "gwrp": "asd.models.pooling:Gwrp",
        "max": "asd.models.pooling:Max",
        "mean": "asd.models.pooling:Mean",
        "rdp": "asd.models.pooling:Rdp",
    },
)


class Mean(Settings):
    """The mean over time of each bin."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        return frames.mean(axis=2)


class Max(Settings):
    """The maximum over time of each bin."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        return frames.max(axis=2)


class Deviation(Settings):
    """The standard deviation over time of each bin; beside the mean, how much it moves."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        return frames.std(axis=2)


class Gwrp(Settings):
    """Global weighted rank pooling: each bin sorted descending, the n-th weighted by decay^n.

    A decay of 1 gives the mean, of 0 the maximum.
    """

    decay: float = Field(0.9, ge=0, le=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        return self.of_ranked(ranked(frames))

    def of_ranked(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) that :func:`ranked` has sorted."""
        weights = self.decay ** np.arange(frames.shape[2])
        pooled: np.ndarray = frames @ (weights / weights.sum())
        return pooled


class Gem(Settings):
    """Generalised mean of each bin: the power-th root of the mean power.

    Powers want positive values, which decibels and transformer frames are not. So each bin is
    measured from its own minimum over time, and the minimum added again: the result moves with
    the level as the mean and the maximum do. A power of 1 gives the mean; it tends to the maximum.
    """

    power: float = Field(3.0, gt=0)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        least = frames.min(axis=2)
        reach = frames.max(axis=2) - least
        # Measured in the bin's own range no power overflows, and one value is always 1.
        share = (frames - least[:, :, None]) / np.where(reach > 0, reach, 1.0)[:, :, None]
        pooled: np.ndarray = least + reach * np.mean(share**self.power, axis=2) ** (1 / self.power)
        return pooled


class Rdp(Settings):
    """Relative deviation pooling: frames far from the clip's mean frame count for more.

    Frame t weighs (d_t / mean d)^gamma, d_t being its Euclidean distance to the mean frame; a
    gamma of 0 gives the mean.
    """

    gamma: float = Field(1.0, ge=0)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        apart = np.linalg.norm(frames - frames.mean(axis=2, keepdims=True), axis=1)
        # Only ratios of weights matter: the largest in place of the mean cannot overflow.
        largest = apart.max(axis=1, keepdims=True)
        weights = np.where(largest > 0, apart / np.where(largest > 0, largest, 1.0), 1.0)
        weights **= self.gamma
        weights /= weights.sum(axis=1, keepdims=True)
        pooled: np.ndarray = np.matmul(frames, weights[:, :, None])[:, :, 0]
        return pooled


def ranked(frames: np.ndarray) -> np.ndarray:
    """Return frames (B, F, T) with each bin sorted descending; several decays can share it."""
    return np.sort(frames, axis=2)[:, :, ::-1]


def build(name: str, values: Mapping[str, Any], where: str = "pooling") -> Pooling:
    """Return the pooling ``name`` with its settings checked.

    Raises:
        UsageError: an unknown pooling, an unknown key or an impossible value.

    Example:
        >>> frames = np.arange(6.0).reshape(1, 2, 3)  # (B, F, T)
        >>> build("mean", {})(frames).tolist(), build("max", {})(frames).tolist()
        ([[1.0, 4.0]], [[2.0, 5.0]])
        >>> sorted(POOLINGS)
        ['deviation', 'gem', 'gwrp', 'max', 'mean', 'rdp']
    """
    pooling: Pooling = settings(POOLINGS[name], values, where)
    return pooling
