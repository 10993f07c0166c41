"""The pooling that adapters are trained under: attentive statistics."""

from __future__ import annotations

import torch
from torch import nn

_LEAST_VARIANCE = 1e-6


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, weighted (Okabe et al. 2018), in one embedding.

    Each row of the frames has weights of its own, which add up to 1 over time.

    Args:
        rows: rows of the frames, F.
        width: of the attention's hidden layer.
        embedding: dimensions of the embedding, D.
    """

    def __init__(self, rows: int, width: int, embedding: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(rows, width), nn.Tanh(), nn.Linear(width, rows))
        self.embedding = nn.Linear(2 * rows, embedding)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of frames (B, J, F)."""
        weights = torch.softmax(self.attention(frames).float(), dim=1)
        mean = (weights * frames).sum(dim=1)
        variance = (weights * (frames - mean[:, None]) ** 2).sum(dim=1)
        pooled = torch.cat([mean, variance.clamp(min=_LEAST_VARIANCE).sqrt()], dim=1)
        embedded: torch.Tensor = self.embedding(pooled)
        return embedded
