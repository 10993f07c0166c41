"""The self-supervised classifier of the paper (Fig. 1): stacked features, a TDNN, class heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.models.base import EmbeddingClassifier
from asd.models.tdnn import Tdnn, TdnnSettings


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
        features: torch.Tensor = self.refine(self.extract(waves.unsqueeze(1)))
        return features


class TgramSettings(Settings):
    """The front end of waves.

    Attributes:
        tgram_window: taps of TgramNet's first convolution.
        tgram_hop: its stride; the hop of the features that it is stacked with.
    """

    tgram_window: Positive = 1024
    tgram_hop: Positive = 512


class ClassifierSettings(TdnnSettings, TgramSettings):
    """The shape of the TDNN, and of the front end of waves."""


class Classifier(EmbeddingClassifier):
    """Stack the features on the channel axis (Eq. 4), embed them, classify the embedding.

    A feature of shape (F, T) is read as it is; a wave (L,) is read through :class:`TgramNet`, which
    is learned with the rest. All must have the same T.

    Args:
        shapes: the shape of one row of each feature, by name; the order is that of the stack.
        classes: primary classes, C.
        attributes: attribute classes, A; 0 for no such head.
        settings: the shapes of its parts.
        head: the class head, as :func:`asd.models.heads.build_head` takes it.
        extractors: the extractor of each feature, as far as known.

    Attributes:
        trunk: what embeds the stack, made from its bands and the settings: a module from
            (B, bands, T) to (B, ``settings.embedding``).

    Raises:
        UsageError: the features do not have the same number of frames, or one of them has no time
            axis.
    """

    Settings: ClassVar[type[Settings]] = ClassifierSettings
    trunk: ClassVar[type[nn.Module]] = Tdnn

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: Any,
        head: Mapping[str, Any] | None = None,
        extractors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(shapes, extractors)
        self.temporal = nn.ModuleDict()
        frames, bands = {}, 0
        for name, shape in shapes.items():
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
        self.add_heads(settings.embedding, classes, attributes, head)

    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return embeddings (B, D) of standardised inputs (B, F, T) or (B, L), by name."""
        stacked = [
            self.temporal[name](inputs[name]) if name in self.temporal else inputs[name]
            for name in self.shapes
        ]
        embedding: torch.Tensor = self.tdnn(torch.cat(stacked, dim=1))
        return embedding
