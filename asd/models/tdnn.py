"""The self-supervised classifier of the paper (Fig. 1): stacked features, a TDNN, class heads.

The TDNN has the form of x-vectors (Snyder et al., ICASSP 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, ClassVar

import torch
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models.base import EmbeddingClassifier
from asd.models.settings import ClassifierSettings, TdnnSettings

_LEAST_VARIANCE = 1e-8


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
        return self.embed(statistics(self.frames(features)))


def statistics(frames: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation over time: (B, C, T) to (B, 2 C), in single precision."""
    if frames.dtype == torch.bfloat16:
        return _HalfStatistics.apply(frames)  # type: ignore[no-untyped-call]
    frames = frames.float()
    deviation = frames.var(dim=2, unbiased=False).clamp_min(_LEAST_VARIANCE).sqrt()
    return torch.cat([frames.mean(dim=2), deviation], dim=1)


class _HalfStatistics(torch.autograd.Function):
    """The same of frames in bfloat16, which are read as they are: sums are in single precision.

    A third of the time of converting them (measured: 76 and 240 ms of (24, 1500, 313), forwards and
    backwards), which is a seventh of a step.
    """

    @staticmethod
    def forward(ctx: Any, frames: torch.Tensor) -> torch.Tensor:
        mean = frames.mean(dim=2, dtype=torch.float32)
        norm = torch.linalg.vector_norm(frames, dim=2, dtype=torch.float32)
        variance = norm.square() / frames.shape[2] - mean.square()
        deviation = variance.clamp_min(_LEAST_VARIANCE).sqrt()
        ctx.save_for_backward(frames, mean, torch.where(variance > _LEAST_VARIANCE, deviation, inf))
        return torch.cat([mean, deviation], dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        frames, mean, deviation = ctx.saved_tensors
        of_mean, of_deviation = (gradients[0] / frames.shape[2]).chunk(2, dim=1)
        factor = of_deviation / deviation
        shift = (of_mean - factor * mean)[:, :, None].to(frames.dtype)
        return torch.addcmul(shift, frames, factor[:, :, None].to(frames.dtype))


class TgramNet(nn.Module):
    """A convolution as long as an analysis window, then three narrow ones: (B, L) to (B, F, T).

    The first convolution has the stride of the log-mel's hop and half a window of padding, so the
    output has the frames of a centred log-mel, T = 1 + L // hop: 313 for 10 s at 16 kHz. The
    normalisation is over time, as published, and ties the weights to the length of the clips.
    Source: paper Eq. 2; Liu et al., ICASSP 2022.

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
        return self.refine(self.extract(waves.unsqueeze(1)))


class Classifier(EmbeddingClassifier):
    """Stack the features on the channel axis (Eq. 4), embed them, classify the embedding.

    A feature of shape (F, T) is read as it is; a wave (L,) is read through :class:`TgramNet`, which
    is learned with the rest. All must have the same T.

    Attributes:
        trunk: what embeds the stack, made from its bands and the settings: a module from
            (B, bands, T) to (B, ``settings.embedding``).

    Raises:
        UsageError: the features do not have the same number of frames, or one of them has no time
            axis.
    """

    Settings: ClassVar[type[Settings]] = ClassifierSettings
    trunk: ClassVar[type[nn.Module]] = Tdnn

    def build(self, settings: Any) -> int:
        """Build a front end for each wave, and the trunk."""
        self.temporal = nn.ModuleDict()
        frames, bands = {}, 0
        for name, shape in self.shapes.items():
            if self.is_wave(name):
                tgram = TgramNet(shape[0], window=settings.tgram_window, hop=settings.tgram_hop)
                self.temporal[name] = tgram
                frames[name] = tgram.frames
                bands += tgram.bands
            elif len(shape) == 2:
                frames[name] = shape[1]
                bands += shape[0]
            else:
                raise UsageError(
                    f"feature '{name}' ({self.extractors[name]}) has no time axis and cannot be"
                    " stacked with others; give the model 'network: branches'"
                )
        if len(set(frames.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise UsageError(
                f"features have different numbers of frames ({listed});"
                " give them equal hops, waves by the network's tgram_hop"
            )
        self.tdnn = self.trunk(bands, settings)
        return settings.embedding

    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return embeddings (B, D) of standardised inputs (B, F, T) or (B, L), by name."""
        stacked = [
            self.temporal[name](inputs[name]) if name in self.temporal else inputs[name]
            for name in self.shapes
        ]
        return self.tdnn(torch.cat(stacked, dim=1))
