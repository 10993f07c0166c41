"""ArcFace: an additive angular margin (Deng et al., CVPR 2019)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from asd.config import Settings
from asd.models.heads.angular import AngularHead


class ArcFaceSettings(Settings):
    """The published values are the defaults.

    Attributes:
        margin: added to the angle to the clip's own class, in radians.
        scale: of the logits, s.
    """

    margin: Annotated[float, Field(ge=0, lt=math.pi / 2)] = 0.5
    scale: Annotated[float, Field(gt=0)] = 64.0


class ArcFace(AngularHead):
    """Logits s cos(theta), and s cos(theta + margin) for a clip's own class where it is given."""

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
