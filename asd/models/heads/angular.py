"""What the heads that measure angles share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


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
