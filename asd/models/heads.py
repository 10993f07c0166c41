"""Class heads: from an embedding (B, D) to logits (B, C).

The softmax of the logits is the distribution over classes, and their cross entropy the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from asd.config import Settings, settings
from asd.errors import UsageError
from asd.models import HEADS, LINEAR
from asd.models.settings import (
    AdaCosSettings,
    AdaProjSettings,
    ArcFaceSettings,
    LinearSettings,
    SubClusterAdaCosSettings,
)


def build_head(values: Mapping[str, Any], dimension: int, classes: int) -> Any:
    """Build a head from its section of the params.

    Args:
        values: ``kind`` (default: linear) and the head's own settings.
        dimension: of the embedding, D.
        classes: how many, C.

    Raises:
        UsageError: the kind or one of the settings is unknown or impossible.
    """
    own = dict(values)
    name = own.pop("kind", LINEAR)
    if not isinstance(name, str):
        raise UsageError(f"models: head: kind: must be a name, not {name!r}")
    kind = HEADS[name]
    return kind(dimension, classes, settings(kind.Settings, own, f"models: head ({name})"))


class AngularHead(nn.Module):
    """Centres (n, D) that embeddings are compared with by their angle.

    Args:
        count: how many centres, n.
        dimension: of the embedding, D.
        trainable: whether they move; else they stay where they were drawn.
    """

    margin = False
    centres: torch.Tensor

    def __init__(self, count: int, dimension: int, trainable: bool = True) -> None:
        super().__init__()
        drawn = nn.init.xavier_uniform_(torch.empty(count, dimension))
        if trainable:
            self.centres = nn.Parameter(drawn)
        else:
            self.register_buffer("centres", drawn)

    def cosines(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return the cosines (B, n) between ``embedding`` (B, D) and the centres."""
        # In bfloat16 a cosine has steps of 0.004, which a scale of 64 makes a quarter.
        with torch.autocast(embedding.device.type, enabled=False):
            return F.linear(F.normalize(embedding.float()), F.normalize(self.centres))


def adacos_scale(count: int) -> float:
    """Return the fixed scale of AdaCos for ``count`` centres, sqrt(2) log(count - 1).

    It would be 0 for two centres, and nothing could be learnt: they get the scale of three.
    Source: Zhang et al., CVPR 2019, section 3.2.
    """
    return math.sqrt(2) * math.log(max(count, 3) - 1)


class Linear(nn.Linear):
    """The head of the paper's classifier (Eq. 6): weights and a bias, (B, D) to (B, C)."""

    Settings: ClassVar[type[Settings]] = LinearSettings
    margin: ClassVar[bool] = False

    def __init__(self, dimension: int, classes: int, settings: LinearSettings) -> None:
        super().__init__(dimension, classes)

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        return super().forward(embedding)


class ArcFace(AngularHead):
    """Logits s cos(theta), and s cos(theta + margin) for a clip's own class where it is given.

    Source: Deng et al., CVPR 2019.
    """

    Settings: ClassVar[type[Settings]] = ArcFaceSettings
    margin = True

    def __init__(self, dimension: int, classes: int, settings: ArcFaceSettings) -> None:
        super().__init__(classes, dimension)
        self.settings = settings

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` (B,) get the margin."""
        cosines = self.cosines(embedding)
        if classes is not None:
            own = cosines.gather(1, classes[:, None])
            cosines = cosines.scatter(1, classes[:, None], self._harder(own))
        return self.settings.scale * cosines

    def _harder(self, cosines: torch.Tensor) -> torch.Tensor:
        """Return cos(theta + margin) of cos(theta), falling all the way to theta = pi."""
        margin = self.settings.margin
        # The sine's gradient has no bound at angle 0.
        sines = (1 - cosines**2).clamp_min(1e-7).sqrt()
        moved = cosines * math.cos(margin) - sines * math.sin(margin)
        # Beyond pi the cosine would rise again, and push away what it should pull.
        straight = cosines - margin * math.sin(margin)
        return torch.where(cosines > math.cos(math.pi - margin), moved, straight)


class AdaCos(AngularHead):
    """Logits s cos(theta) with s = sqrt(2) log(C - 1): AdaCos with its fixed scale."""

    Settings: ClassVar[type[Settings]] = AdaCosSettings

    def __init__(self, dimension: int, classes: int, settings: AdaCosSettings) -> None:
        super().__init__(classes, dimension)
        self.scale = adacos_scale(classes)

    def forward(self, embedding: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, C) of ``embedding`` (B, D); ``classes`` are not used."""
        return self.scale * self.cosines(embedding)


class SubClusterAdaCos(AngularHead):
    """The probability of a class is the sum of the softmax over its centres.

    So its logit is the logarithm of the sum of exp(s cos(theta)) over them, with
    s = sqrt(2) log(K C - 1). Source: Wilkinghoff, IJCNN 2021.
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


class AdaProj(AngularHead):
    """Logits s cos(theta), theta being the angle between an embedding and its projection.

    A class's centres span its subspace. The cosine is the length of the projection of the
    normalised embedding, between 0 and 1. The scale is that of as many centres as there are,
    sqrt(2) log(subspace C - 1), as for sub-clusters. Source: Wilkinghoff 2024.

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
