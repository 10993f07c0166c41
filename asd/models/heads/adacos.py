"""AdaCos with its fixed scale (Zhang et al., CVPR 2019)."""

from __future__ import annotations

from typing import ClassVar

import torch

from asd.config import Settings
from asd.models.heads.angular import AngularHead, adacos_scale


class AdaCosSettings(Settings):
    """AdaCos has nothing to set: its scale follows from the number of classes."""


class AdaCos(AngularHead):
    """Logits s cos(theta) with s = sqrt(2) log(C - 1)."""

    Settings: ClassVar[type[Settings]] = AdaCosSettings

    def __init__(self, dimension: int, classes: int, settings: AdaCosSettings) -> None:
        super().__init__(classes, dimension)
        self.scale = adacos_scale(classes)

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        return self.scale * self.cosines(embedding)
