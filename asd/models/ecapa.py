"""ECAPA-TDNN (Desplanques et al., Interspeech 2020) as the trunk of a classifier."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from asd.config import Settings
from asd.models.settings import RES2_SCALE as SCALE
from asd.models.settings import EcapaClassifierSettings
from asd.models.tdnn import Classifier


class Ecapa(nn.Module):
    """Squeeze-excited Res2 blocks, aggregated over their depth, pooled with attention.

    Each block reads the sum of the outputs of all before it; those of all blocks are joined before
    the pooling (sections 3.2 and 3.3).

    Args:
        bands: channels of the input.
        settings: the shape.

    Shape:
        - Input: (B, bands, T).
        - Output: (B, D).
    """

    def __init__(self, bands: int, settings: EcapaClassifierSettings) -> None:
        super().__init__()
        width = settings.channels
        self.first = _convolution(bands, width, kernel=5)
        self.blocks = nn.ModuleList(
            SeRes2Block(width, dilation, settings.squeeze) for dilation in settings.dilations
        )
        self.aggregate = nn.Sequential(
            nn.Conv1d(width * len(settings.dilations), settings.aggregated, 1), nn.ReLU()
        )
        self.pool = AttentiveStatistics(settings.aggregated, settings.attention)
        self.embed = nn.Sequential(
            nn.BatchNorm1d(2 * settings.aggregated),
            nn.Linear(2 * settings.aggregated, settings.embedding),
            nn.BatchNorm1d(settings.embedding),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, D) of ``features`` (B, bands, T)."""
        before = self.first(features)
        outputs = []
        for block in self.blocks:
            outputs.append(block(before))
            before = before + outputs[-1]
        pooled = self.pool(self.aggregate(torch.cat(outputs, dim=1)))
        return self.embed(pooled)


class SeRes2Block(nn.Module):
    """A Res2 convolution between two dense ones, squeeze-excitation, and the input added (Fig. 1).

    In a Res2 convolution the channels are eight groups; each is convolved after the result of the
    one before has been added to it, so the block sees several spans of time at once.

    Shape:
        - Input and output: (B, channels, T).
    """

    def __init__(self, channels: int, dilation: int, squeeze: int) -> None:
        super().__init__()
        self.before = _convolution(channels, channels)
        self.groups = nn.ModuleList(
            _convolution(channels // SCALE, channels // SCALE, 3, dilation)
            for _ in range(SCALE - 1)
        )
        self.after = _convolution(channels, channels)
        self.excite = nn.Sequential(
            nn.Linear(channels, squeeze), nn.ReLU(), nn.Linear(squeeze, channels), nn.Sigmoid()
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the output (B, channels, T) of ``frames`` (B, channels, T)."""
        first, *rest = self.before(frames).chunk(SCALE, dim=1)
        outputs = [first]
        for number, (group, part) in enumerate(zip(self.groups, rest, strict=True)):
            outputs.append(group(part + outputs[-1] if number else part))
        values = self.after(torch.cat(outputs, dim=1))
        return frames + values * self.excite(values.mean(dim=2))[:, :, None]


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, each channel weighting the frames for itself (section 3.1).

    The weights are found from the frames and from their plain mean and deviation.

    Shape:
        - Input: (B, channels, T).
        - Output: (B, 2 channels), in single precision.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.attend = nn.Sequential(
            nn.Conv1d(3 * channels, hidden, 1),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Tanh(),
            nn.Conv1d(hidden, channels, 1),
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the statistics (B, 2 channels) of ``frames`` (B, channels, T)."""
        plain = torch.full_like(frames[:, :1].float(), 1 / frames.shape[2])
        mean, deviation = _weighted(frames, plain)
        context = torch.cat([mean, deviation], dim=1)[:, :, None].expand(-1, -1, frames.shape[2])
        weights = self.attend(torch.cat([frames.float(), context], dim=1)).float().softmax(dim=2)
        return torch.cat(_weighted(frames, weights), dim=1)


def _weighted(frames: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # Squares of bfloat16 would lose what the deviation is made of.
    frames = frames.float()
    mean = (weights * frames).sum(dim=2)
    variance = (weights * (frames - mean[:, :, None]) ** 2).sum(dim=2)
    return mean, variance.clamp_min(1e-8).sqrt()


def _convolution(before: int, after: int, kernel: int = 1, dilation: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(before, after, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2),
        nn.ReLU(),
        nn.BatchNorm1d(after),
    )


class EcapaClassifier(Classifier):
    """The classifier with an ECAPA-TDNN in place of the x-vector TDNN."""

    Settings: ClassVar[type[Settings]] = EcapaClassifierSettings
    trunk: ClassVar[type[nn.Module]] = Ecapa
