"""The self-supervised classifier of the paper (Fig. 1): stacked features, a TDNN, class heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.models.base import EmbeddingClassifier, Output
from asd.models.tdnn import Tdnn, TdnnSettings
from asd.models.tgramnet import TgramNet

__all__ = ["Classifier", "ClassifierSettings", "Output", "TgramSettings"]


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
