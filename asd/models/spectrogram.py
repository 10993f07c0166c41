"""The spectrogram branch: a small residual network over time and frequency."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import nn

from asd.config import Positive, Settings


class SpectrogramSettings(Settings):
    """The shape of the branch; the defaults are the published ones.

    Attributes:
        channels: of each stage; a stage after the first halves time and frequency.
        blocks: residual blocks a stage.
        embedding: dimension of what the branch gives, D.
    """

    channels: tuple[Positive, ...] = Field((16, 32, 64, 128), min_length=1)
    blocks: Positive = 2
    embedding: Positive = 128


class Spectrogram(nn.Module):
    """Remove each band's mean over time, convolve, take the maximum over time, project; no biases.

    What is constant over the clip is the spectrum branch's affair; without it this one sees what
    changes. Source: Wilkinghoff 2023 (the DCASE 2022 system).

    Args:
        shape: (F, T) of a row.
        settings: the shape of the branch.

    Shape:
        - Input: (B, F, T).
        - Output: (B, D).
    """

    def __init__(self, shape: tuple[int, ...], settings: SpectrogramSettings) -> None:
        super().__init__()
        first = settings.channels[0]
        layers: list[nn.Module] = [
            nn.Conv2d(1, first, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        bands = _halved(_halved(shape[0]))
        for stage, (before, after) in enumerate(pairwise((first, *settings.channels))):
            bands = _halved(bands) if stage else bands
            layers.append(ResidualBlock(before, after, stride=2 if stage else 1))
            layers += [ResidualBlock(after, after) for _ in range(settings.blocks - 1)]
        self.layers = nn.Sequential(*layers)
        width = bands * settings.channels[-1]
        self.project = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, settings.embedding, bias=False)
        )

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of ``spectrograms`` (B, F, T)."""
        centred = spectrograms - spectrograms.mean(dim=2, keepdim=True)
        maps = self.layers(centred[:, None])
        embedding: torch.Tensor = self.project(maps.amax(dim=3).flatten(1))
        return embedding


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut (He et al., CVPR 2016).

    Shape:
        - Input: (B, before, F, T).
        - Output: (B, after, ceil(F / stride), ceil(T / stride)).
    """

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = stride == 1 and before == after
        self.short = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the output of ``maps`` (B, before, F, T)."""
        return torch.relu(self.layers(maps) + self.short(maps))


def _halved(count: int) -> int:
    """Return how many places a padded convolution or pooling with stride 2 leaves."""
    return (count + 1) // 2
