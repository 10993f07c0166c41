"""Pooling over time for training-free systems: features (N, F, T) to embeddings (N, F).

A pooling is its settings, called with frames (B, F, T); see :data:`POOLINGS`. :func:`pool` applies
one or more to features of any number of clips, such as a memory-mapped shard, block by block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from asd.config import Settings, settings
from asd.errors import UsageError
from asd.registry import Registry

BLOCK_BYTES = 2**25


class Pooling(Protocol):
    """What pools frames (B, F, T) float64 to (B, F)."""

    def __call__(self, frames: np.ndarray) -> np.ndarray: ...


POOLINGS: Registry[type[Settings]] = Registry(
    "pooling",
    {
        "gem": "asd.scoring.pooling:Gem",
        "gwrp": "asd.scoring.pooling:Gwrp",
        "max": "asd.scoring.pooling:Max",
        "mean": "asd.scoring.pooling:Mean",
        "rdp": "asd.scoring.pooling:Rdp",
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


class Gwrp(Settings):
    """Global weighted rank pooling: each bin sorted descending, the n-th weighted by decay^n.

    A decay of 1 gives the mean, of 0 the maximum.
    """

    decay: float = Field(0.9, ge=0, le=1)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Pool (B, F, T) to (B, F)."""
        ranked = np.sort(frames, axis=2)[:, :, ::-1]
        weights = self.decay ** np.arange(frames.shape[2])
        return ranked @ (weights / weights.sum())


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


def build(name: str, values: Mapping[str, Any], where: str = "pooling") -> Pooling:
    """Return the pooling ``name`` with its settings checked.

    Raises:
        UsageError: an unknown pooling, an unknown key or an impossible value.
    """
    pooling: Pooling = settings(POOLINGS[name], values, where)
    return pooling


def pool(features: np.ndarray, poolings: Sequence[Pooling]) -> np.ndarray:
    """Return the embeddings of N clips, the results of the poolings joined.

    Args:
        features: (N, F, T), such as the mapped rows of a shard; read in blocks of bounded memory.
        poolings: one or more.

    Returns:
        (N, F * number of poolings) float32.

    Raises:
        UsageError: no pooling, features of another rank, or no frames.
    """
    if not poolings:
        raise UsageError("no pooling to apply; known: " + ", ".join(POOLINGS))
    if features.ndim != 3 or not features.shape[2]:
        raise UsageError(f"features of shape {features.shape} cannot be pooled, (N, F, T) can")
    count, bins, frames = features.shape
    embedding = np.empty((count, bins * len(poolings)), np.float32)
    step = max(1, BLOCK_BYTES // (8 * bins * frames))
    for start in range(0, count, step):
        block = np.asarray(features[start : start + step], dtype=np.float64)
        for place, pooling in enumerate(poolings):
            columns = slice(place * bins, (place + 1) * bins)
            embedding[start : start + step, columns] = pooling(block)
    return embedding
