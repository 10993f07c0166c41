"""The paper's distance metric (Eq. 7): 1 less the largest cosine to a clip of the section."""

from __future__ import annotations

from asd.config import Settings
from asd.scoring.neighbours import Neighbours, NeighbourSettings


class CosineSettings(Settings):
    """The paper's distance metric has nothing to set."""


class Cosine(Neighbours):
    """Score 1 - max_k cos(test embedding, training embedding k of the same section) (Eq. 7).

    It is :class:`Neighbours` with its defaults: one nearest neighbour among all training clips.
    """

    Config = CosineSettings

    def __init__(self, config: Settings) -> None:
        super().__init__(NeighbourSettings())
