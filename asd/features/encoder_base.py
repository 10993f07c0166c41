"""What is known of an audio encoder before any weight is read.

A kind knows its encoder from ``config.json`` and ``preprocessor_config.json`` alone; a value that
is left out there is the library's default. The front end is the library's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asd.features.timing import FrameGrid

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Anatomy:
    """What is known of an encoder before any weight is read.

    Attributes:
        layers: transformer layers, n.
        hidden: units of a frame in one frequency band, H.
        bands: frequency bands of a frame, 1 where the encoder has merged them.
        grid: where the frames lie in the clip.
        sample_rate: rate in Hz that the encoder was trained at.
        window: samples that it hears at once, longer clips being cut; None for any number.
    """

    layers: int
    hidden: int
    bands: int
    grid: FrameGrid
    sample_rate: int
    window: int | None


class Kind(ABC):
    """One kind of encoder.

    Args:
        config: content of config.json.
        front: content of preprocessor_config.json, empty where there is none.

    Attributes:
        ends_in_layer: whether layer n is read before what follows it, since that is no frame of
            the same grid.
        has_fast_parts: whether :func:`asd.features.frozen.freeze` knows the encoder's parts.
    """

    ends_in_layer = False
    has_fast_parts = False

    def __init__(self, config: Mapping[str, Any], front: Mapping[str, Any]) -> None:
        self._config = config
        self._front = front
        self._rate = int(front.get("sampling_rate", 16000))

    @property
    @abstractmethod
    def anatomy(self) -> Anatomy:
        """What the files say."""

    @abstractmethod
    def inputs(self, waves: torch.Tensor) -> torch.Tensor:
        """Return what the encoder wants of ``waves`` (B, L) int16, L being at most the window."""

    def body(self, model: Any) -> Any:
        """Return the encoder of a model of the library."""
        return model

    def frames(self, states: torch.Tensor) -> torch.Tensor:
        """Return the frames (B, J, bands, H) of hidden states (B, S, H), padding included."""
        return states[:, :, None]

    def _anatomy(self, grid: FrameGrid) -> Anatomy:
        layers = int(self._config.get("num_hidden_layers", 12))
        hidden = int(self._config.get("hidden_size", 768))
        return Anatomy(layers, hidden, 1, grid, self._rate, None)
