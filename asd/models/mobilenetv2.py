"""MobileNetV2 (Sandler et al., CVPR 2018) on windows of a clip, as in the challenge's baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from asd.config import Settings
from asd.models.settings import MobileNetV2Settings
from asd.models.windows import WindowNetwork

# The published Table 2: expansion, channels, blocks, stride of the first of them.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, LAST = 32, 1280


class Output(NamedTuple):
    """What the network gives for a batch of clips.

    Attributes:
        logits: (B, W, C) of the primary classes, for each window of a clip.
    """

    logits: torch.Tensor


class MobileNetV2(WindowNetwork):
    """Classify windows of a clip.

    The one channel of a window is fed to all three that the published network has, as in the
    challenge's baseline; there is no dropout there and none here.

    Raises:
        UsageError: see :class:`WindowNetwork`.
    """

    Settings: ClassVar[type[Settings]] = MobileNetV2Settings

    def build(self, settings: MobileNetV2Settings, classes: int) -> None:
        """Build the convolutions and the classifier."""
        channels = _channels(STEM * settings.width)
        layers: list[nn.Module] = [*_convolution(3, channels, 3, stride=2)]
        for expansion, base, blocks, stride in STAGES:
            wide = _channels(base * settings.width)
            for block in range(blocks):
                layers.append(Bottleneck(channels, wide, expansion, 1 if block else stride))
                channels = wide
        last = _channels(LAST * max(1.0, settings.width))
        layers += _convolution(channels, last, 1)
        self.layers = nn.Sequential(*layers)
        self.primary = nn.Linear(last, classes)
        # A CPU trains it in two thirds of the time so (measured: 4.0 ms a window, not 6.2).
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def classify(self, windows: torch.Tensor) -> torch.Tensor:
        """Return logits (n, C) of ``windows`` (n, F, frames)."""
        images = self.scaled(windows)[:, None].expand(-1, 3, -1, -1)
        return self.primary(self.layers(images).mean(dim=(2, 3)))

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> Output:
        """Return the logits of a batch of clips, the feature being (B, F, T)."""
        # Clip by clip: the first layers of all windows at once would take hundreds of megabytes.
        return Output(torch.stack([self.classify(clip) for clip in self.windows_of(inputs)]))


class Bottleneck(nn.Module):
    """An inverted residual: widen, filter each channel by itself, narrow without a non-linearity.

    Args:
        before, after: channels of the input and of the output.
        expansion: by how much the input is widened; 1 for not at all.
        stride: of the filter; the input is added to the output where both have one shape.

    Shape:
        - Input: (n, before, H, W).
        - Output: (n, after, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        widen = _convolution(before, wide, 1) if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen,
            *_convolution(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.residual = stride == 1 and before == after

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the output of ``images`` (n, before, H, W)."""
        changed = self.layers(images)
        return images + changed if self.residual else changed


def _convolution(
    before: int, after: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return a convolution with batch normalisation and ReLU6."""
    convolution = nn.Conv2d(
        before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return [convolution, nn.BatchNorm2d(after), nn.ReLU6()]


def _channels(wanted: float) -> int:
    """Return the multiple of 8 nearest to ``wanted``, not more than 10 % below it."""
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * wanted else nearest
