"""TgramNet: temporal features learned from the raw wave (paper Eq. 2; Liu et al., ICASSP 2022)."""

from __future__ import annotations

import torch
from torch import nn


class TgramNet(nn.Module):
    """A convolution as long as an analysis window, then three narrow ones: (B, L) to (B, F, T).

    The first convolution has the stride of the log-mel's hop and half a window of padding, so the
    output has the frames of a centred log-mel, T = 1 + L // hop: 313 for 10 s at 16 kHz. The
    normalisation is over time, as published, and ties the weights to the length of the clips.

    Args:
        length: samples of a clip, L.
        bands: output channels, F.
        window: taps of the first convolution.
        hop: its stride.
        layers: how many narrow convolutions follow.

    Shape:
        - Input: (B, L), samples scaled to about unit deviation.
        - Output: (B, F, T).
    """

    def __init__(
        self, length: int, bands: int = 128, window: int = 1024, hop: int = 512, layers: int = 3
    ) -> None:
        super().__init__()
        self.bands = bands
        self.frames = 1 + (length + 2 * (window // 2) - window) // hop
        self.extract = nn.Conv1d(1, bands, window, stride=hop, padding=window // 2, bias=False)
        self.refine = nn.Sequential(
            *(
                nn.Sequential(
                    nn.LayerNorm(self.frames),
                    nn.LeakyReLU(0.2),
                    nn.Conv1d(bands, bands, 3, padding=1, bias=False),
                )
                for _ in range(layers)
            )
        )

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Return temporal features (B, F, T) of ``waves`` (B, L)."""
        features: torch.Tensor = self.refine(self.extract(waves.unsqueeze(1)))
        return features
