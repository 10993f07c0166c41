"""Sub-cluster AdaCos: several centres a class (Wilkinghoff, IJCNN 2021)."""

from __future__ import annotations

from typing import ClassVar

import torch

from asd.config import Positive, Settings
from asd.models.heads.angular import AngularHead, adacos_scale


class SubClusterAdaCosSettings(Settings):
    """The published number of centres is the default.

    Attributes:
        centres: centres a class, K.
        trainable: whether the centres move; as first published they do not.
    """

    centres: Positive = 16
    trainable: bool = True


class SubClusterAdaCos(AngularHead):
    """The probability of a class is the sum of the softmax over its centres.

    So its logit is the logarithm of the sum of exp(s cos(theta)) over them, with
    s = sqrt(2) log(K C - 1).
    """

    Settings: ClassVar[type[Settings]] = SubClusterAdaCosSettings

    def __init__(self, dimension: int, classes: int, settings: SubClusterAdaCosSettings) -> None:
        super().__init__(classes * settings.centres, dimension, settings.trainable)
        self.scale = adacos_scale(classes * settings.centres)
        self.classes = classes

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        scaled = self.scale * self.cosines(embedding)
        return scaled.reshape(len(scaled), self.classes, -1).logsumexp(dim=2)
