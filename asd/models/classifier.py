"""The self-supervised classifier of the paper (Fig. 1): stacked features, a TDNN, class heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from asd.config import Positive, Settings
from asd.errors import UsageError
from asd.models.tdnn import Tdnn, TdnnSettings
from asd.models.tgramnet import TgramNet


class Output(NamedTuple):
    """What the classifier gives for a batch of clips.

    Attributes:
        embedding: (B, D) the latent representation that distances are measured on (Eq. 7).
        logits: (B, C) of the primary classes (Eq. 6).
        attribute_logits: (B, A) of the attribute classes, if it has that head.
    """

    embedding: torch.Tensor
    logits: torch.Tensor
    attribute_logits: torch.Tensor | None


class ClassifierSettings(TdnnSettings):
    """The shape of the TDNN, and of the front end of waves.

    Attributes:
        tgram_window: taps of TgramNet's first convolution.
        tgram_hop: its stride; the hop of the features that it is stacked with.
    """

    tgram_window: Positive = 1024
    tgram_hop: Positive = 512


class Classifier(nn.Module):
    """Stack the features on the channel axis (Eq. 4), embed them, classify the embedding.

    A feature of shape (F, T) is read as it is; a wave (L,) is read through :class:`TgramNet`, which
    is learned with the rest. All must have the same T.

    Every input is standardised with the mean and deviation that its training clips have (a band at
    a time for (F, T), one deviation for a wave). Fixed numbers, not batch normalisation: a batch
    holds few clips of few classes, and its statistics would tell them apart.

    Args:
        shapes: the shape of one row of each feature, by name; the order is that of the stack.
        classes: primary classes, C.
        attributes: attribute classes, A; 0 for no such head.
        settings: the shapes of its parts.

    Raises:
        UsageError: the features do not have the same number of frames.
    """

    kind: ClassVar[str] = "classifier"
    Settings: ClassVar[type[Settings]] = ClassifierSettings

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: ClassifierSettings,
    ) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        self.temporal = nn.ModuleDict()
        frames, bands = {}, 0
        for name, shape in shapes.items():
            if len(shape) == 1:
                tgram = TgramNet(shape[0], window=settings.tgram_window, hop=settings.tgram_hop)
                self.temporal[name] = tgram
                frames[name] = tgram.frames
                bands += tgram.bands
            else:
                frames[name] = shape[1]
                bands += shape[0]
            per_band = (shape[0], 1) if len(shape) == 2 else (1,)
            self.register_buffer(f"mean_{name}", torch.zeros(per_band))
            self.register_buffer(f"deviation_{name}", torch.ones(per_band))
        if len(set(frames.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise UsageError(
                f"features have different numbers of frames ({listed});"
                " give them equal hops, waves by the network's tgram_hop"
            )
        self.tdnn = Tdnn(bands, settings)
        self.primary = nn.Linear(settings.embedding, classes)
        self.attribute = nn.Linear(settings.embedding, attributes) if attributes else None

    def standardise(self, name: str, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Set the statistics of one input, (F,) and (F,) or scalars for a wave."""
        self.get_buffer(f"mean_{name}").copy_(mean.reshape(self.get_buffer(f"mean_{name}").shape))
        kept = self.get_buffer(f"deviation_{name}")
        kept.copy_(deviation.reshape(kept.shape).clamp_min(1e-5))

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> Output:
        """Embed and classify a batch: each input is (B, F, T) or (B, L), by name."""
        stacked = []
        for name in self.shapes:
            mean, deviation = (self.get_buffer(f"{kind}_{name}") for kind in ("mean", "deviation"))
            values = (inputs[name] - mean) / deviation
            stacked.append(self.temporal[name](values) if name in self.temporal else values)
        embedding = self.tdnn(torch.cat(stacked, dim=1))
        attribute = self.attribute(embedding) if self.attribute is not None else None
        return Output(embedding, self.primary(embedding), attribute)
