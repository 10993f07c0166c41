"""The time-delay neural network in its x-vector form (Snyder et al., ICASSP 2018)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import nn

from asd.config import Positive, Settings


class TdnnSettings(Settings):
    """The shape of the network; the paper gives none of these, the defaults are the x-vector's.

    Attributes:
        channels: channels of each convolution.
        kernels: their taps.
        dilations: frames between taps.
        embedding: dimension of the embedding, D.
    """

    channels: tuple[Positive, ...] = (512, 512, 512, 512, 1500)
    kernels: tuple[Positive, ...] = (5, 3, 3, 1, 1)
    dilations: tuple[Positive, ...] = (1, 2, 3, 1, 1)
    embedding: Annotated[int, Field(ge=2)] = 128

    @model_validator(mode="after")
    def _one_each(self) -> TdnnSettings:
        if not len(self.channels) == len(self.kernels) == len(self.dilations) > 0:
            raise ValueError("channels, kernels and dilations need one entry a convolution")
        return self


class Tdnn(nn.Module):
    """Dilated convolutions over time, statistics pooling, and a linear layer.

    Each convolution is followed by LeakyReLU and batch normalisation. The mean and the standard
    deviation of the last one over time make a clip's statistics, whatever its length. Ends are
    padded, so that short clips do not lose frames to the context.

    Args:
        bands: channels of the input.
        settings: the shape.

    Shape:
        - Input: (B, bands, T).
        - Output: (B, D).
    """

    def __init__(self, bands: int, settings: TdnnSettings) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, kernel, dilation in zip(
            settings.channels, settings.kernels, settings.dilations, strict=True
        ):
            padding = dilation * (kernel - 1) // 2
            layers += [
                nn.Conv1d(bands, channels, kernel, dilation=dilation, padding=padding),
                nn.LeakyReLU(),
                nn.BatchNorm1d(channels),
            ]
            bands = channels
        self.frames = nn.Sequential(*layers)
        self.embed = nn.Linear(2 * bands, settings.embedding)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of ``features`` (B, bands, T)."""
        embedding: torch.Tensor = self.embed(statistics(self.frames(features)))
        return embedding


def statistics(frames: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation over time: (B, C, T) to (B, 2 C), in single precision."""
    # Squares of bfloat16 would lose what the deviation is made of.
    frames = frames.float()
    deviation = frames.var(dim=2, unbiased=False).clamp_min(1e-8).sqrt()
    return torch.cat([frames.mean(dim=2), deviation], dim=1)
