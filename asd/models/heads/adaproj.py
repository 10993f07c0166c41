"""AdaProj: a subspace a class, and the angle to the projection onto it (Wilkinghoff 2024)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F

from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.models.heads.angular import AngularHead, adacos_scale


class AdaProjSettings(Settings):
    """The published dimension is the default.

    Attributes:
        subspace: dimension of a class's subspace.
    """

    subspace: Positive = 32


class AdaProj(AngularHead):
    """Logits s cos(theta), theta being the angle between an embedding and its projection.

    A class's centres span its subspace. The cosine is the length of the projection of the
    normalised embedding, between 0 and 1. The scale is that of as many centres as there are,
    sqrt(2) log(subspace C - 1), as for sub-clusters.

    Raises:
        UsageError: the subspace is not smaller than the embedding, so that every angle would be 0.
    """

    Settings: ClassVar[type[Settings]] = AdaProjSettings

    def __init__(self, dimension: int, classes: int, settings: AdaProjSettings) -> None:
        if settings.subspace >= dimension:
            raise UsageError(
                f"models: head (adaproj): subspace {settings.subspace} fills the embedding of"
                f" {dimension} dimensions; lower it, or give the network a larger embedding"
            )
        super().__init__(classes * settings.subspace, dimension)
        self.scale = adacos_scale(classes * settings.subspace)
        self.classes = classes

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        with torch.autocast(embedding.device.type, enabled=False):
            basis = F.normalize(self.centres).reshape(self.classes, -1, self.centres.shape[1])
            # With G = W W^T = L L^T the projection of x has the length |L^-1 W x|.
            gram = basis @ basis.transpose(1, 2)
            # Keeps two centres that fall together from making it singular.
            jitter = 1e-6 * torch.eye(gram.shape[1], device=gram.device)
            factor = torch.linalg.cholesky(gram + jitter)
            products = basis @ F.normalize(embedding.float()).T
            inside = torch.linalg.solve_triangular(factor, products, upper=False)
            return self.scale * inside.square().sum(dim=1).clamp_min(1e-12).sqrt().T
