"""The challenge's autoencoder (DCASE 2022 Task 2 baseline; the paper's Table VI)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from asd.config import Settings
from asd.models.settings import AutoencoderSettings
from asd.models.windows import WindowNetwork


class Output(NamedTuple):
    """What the autoencoder gives for a batch of clips.

    Attributes:
        error: (B,) mean squared error over a clip's windows, in squared units of the feature.
    """

    error: torch.Tensor


class Autoencoder(WindowNetwork):
    """Reconstruct stacked frames through a narrow layer; the error tells how unusual they are.

    Every hidden layer is linear, batch normalisation, ReLU; the last layer is linear.

    Raises:
        UsageError: see :class:`WindowNetwork`.
    """

    Settings: ClassVar[type[Settings]] = AutoencoderSettings

    def build(self, settings: AutoencoderSettings, classes: int) -> None:
        """Build the layers; there are no classes."""
        width = self.bands * self.frames
        layers: list[nn.Module] = []
        before = width
        for units in settings.hidden:
            layers += [nn.Linear(before, units), nn.BatchNorm1d(units), nn.ReLU()]
            before = units
        self.layers = nn.Sequential(*layers, nn.Linear(before, width))

    def error(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error (n,) of each of the ``windows`` (n, F, frames)."""
        stacked = self.scaled(windows).transpose(1, 2).flatten(1)
        rebuilt = self.layers(stacked).float()
        return (rebuilt - stacked).square().mean(dim=1) * self.deviation**2

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> Output:
        """Return the errors of a batch of clips, the feature being (B, F, T)."""
        return Output(torch.stack([self.error(clip).mean() for clip in self.windows_of(inputs)]))
