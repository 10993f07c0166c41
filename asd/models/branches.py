"""A branch for each feature, their embeddings side by side (Wilkinghoff's DCASE 2022 system)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models.base import WAVE, EmbeddingClassifier
from asd.models.settings import BranchesSettings, SpectrogramSettings, SpectrumSettings
from asd.models.tdnn import Tdnn

# Taps and stride of each convolution of the spectrum branch, and how many dense layers follow.
CONVOLUTIONS = ((256, 64), (64, 32), (16, 4))
DENSE = 4


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
        return self.layers(spectra[:, None])


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
        return self.project(maps.amax(dim=3).flatten(1))


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


class Branches(EmbeddingClassifier):
    """Embed each feature by a branch of its own, join the embeddings, classify them together.

    Features may have any number of frames, so several resolutions are several features.

    Raises:
        UsageError: a setting names a feature that is not read, or a branch that cannot read it.
    """

    Settings: ClassVar[type[Settings]] = BranchesSettings

    def build(self, settings: BranchesSettings) -> int:
        """Build a branch for each feature."""
        for name in settings.branches:
            if name not in self.shapes:
                raise UsageError(
                    f"the network's branches name '{name}', which the model does not read;"
                    f" it reads {', '.join(self.shapes)}"
                )
        self.branches = nn.ModuleDict()
        dimension = 0
        for name in self.shapes:
            self.branches[name], dimensions = self._branch(name, settings)
            dimension += dimensions
        return dimension

    def _branch(self, name: str, settings: BranchesSettings) -> tuple[nn.Module, int]:
        """Build the branch of a feature, and say how many dimensions it gives."""
        shape = self.shapes[name]
        kind = settings.branches.get(name, "spectrum" if len(shape) == 1 else "spectrogram")
        wave = self.extractors.get(name) == WAVE
        if wave or (kind == "spectrum") != (len(shape) == 1):
            what = "a wave" if wave else f"rows of shape {shape}"
            raise UsageError(
                f"feature '{name}' is {what}, which no branch '{kind}' reads; give the model"
                " features such as spectrum and spectrogram, or the network other branches"
            )
        if kind == "spectrum":
            return Spectrum(shape, settings.spectrum), settings.spectrum.embedding
        if kind == "spectrogram":
            return Spectrogram(shape, settings.spectrogram), settings.spectrogram.embedding
        return Tdnn(shape[0], settings.tdnn), settings.tdnn.embedding

    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return embeddings (B, D) of standardised inputs (B, bins) or (B, F, T), by name."""
        return torch.cat([branch(inputs[name]) for name, branch in self.branches.items()], dim=1)
