"""The linear head of the paper's classifier (Eq. 6)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from asd.config import Settings


class LinearSettings(Settings):
    """The linear head has nothing to set."""


class Linear(nn.Linear):
    """Weights and a bias: (B, D) to (B, C)."""

    Settings: ClassVar[type[Settings]] = LinearSettings
    margin: ClassVar[bool] = False

    def __init__(self, dimension: int, classes: int, settings: LinearSettings) -> None:
        super().__init__(dimension, classes)

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        return super().forward(embedding)
