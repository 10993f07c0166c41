"""The spectrum branch: one-dimensional convolutions over the spectrum of a whole clip."""

from __future__ import annotations

import torch
from torch import nn

from asd.config import Positive, Settings

# Taps and stride of each convolution.
CONVOLUTIONS = ((256, 64), (64, 32), (16, 4))
DENSE = 4


class SpectrumSettings(Settings):
    """The shape of the branch; the defaults are the published ones.

    Attributes:
        channels: of the convolutions, and units of the dense layers.
        embedding: dimension of what the branch gives, D.
    """

    channels: Positive = 128
    embedding: Positive = 128


class Spectrum(nn.Module):
    """Three convolutions over frequency, four dense layers, a projection; no biases.

    The convolutions are padded by half their taps, so that spectra of short clips can be read too:
    each output has 1 + n // stride places. Source: Wilkinghoff 2023 (the DCASE 2022 system).

    Args:
        shape: (bins,) of a row.
        settings: the shape of the branch.

    Shape:
        - Input: (B, bins).
        - Output: (B, D).
    """

    def __init__(self, shape: tuple[int, ...], settings: SpectrumSettings) -> None:
        super().__init__()
        (places,), channels = shape, 1
        layers: list[nn.Module] = []
        for taps, stride in CONVOLUTIONS:
            convolution = nn.Conv1d(
                channels, settings.channels, taps, stride, padding=taps // 2, bias=False
            )
            layers += [convolution, nn.ReLU()]
            places, channels = 1 + places // stride, settings.channels
        layers.append(nn.Flatten())
        width = places * channels
        for _ in range(DENSE):
            layers += [
                nn.Linear(width, settings.channels, bias=False),
                nn.BatchNorm1d(settings.channels),
                nn.ReLU(),
            ]
            width = settings.channels
        self.layers = nn.Sequential(*layers, nn.Linear(width, settings.embedding, bias=False))

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of ``spectra`` (B, bins)."""
        embedding: torch.Tensor = self.layers(spectra[:, None])
        return embedding
