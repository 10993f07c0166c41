"""What all classifiers share: standardised inputs, an embedding, class heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn

from asd.models.heads import build_head

WAVE = "wave"


class Output(NamedTuple):
    """What a classifier gives for a batch of clips.

    Attributes:
        embedding: (B, D) the latent representation that distances are measured on (Eq. 7).
        logits: (B, C) of the primary classes (Eq. 6).
        attribute_logits: (B, A) of the attribute classes, if it has that head.
    """

    embedding: torch.Tensor
    logits: torch.Tensor
    attribute_logits: torch.Tensor | None


class EmbeddingClassifier(nn.Module, ABC):
    """Standardise the features, embed them, classify the embedding.

    Every input is standardised with the mean and deviation that its training clips have (a band at
    a time for (F, T), one deviation for a row (L,)). Fixed numbers, not batch normalisation: a
    batch holds few clips of few classes, and its statistics would tell them apart.

    A subclass builds what embeds (:meth:`build`) and embeds with it (:meth:`embed`).

    Args:
        shapes: the shape of one row of each feature, by name, in the order that they are joined in.
        classes: primary classes, C.
        attributes: attribute classes, A; 0 for no such head.
        settings: its settings, of the type ``Settings``.
        head: as :func:`asd.models.heads.build_head` takes it.
        extractors: the extractor of each feature, as far as known.
    """

    kind: ClassVar[str] = "classifier"  # of plugins whose settings do not say so

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: Any,
        head: Mapping[str, Any] | None = None,
        extractors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        self.extractors = dict(extractors or {})
        for name, shape in shapes.items():
            per_band = (shape[0], 1) if len(shape) == 2 else (1,)
            self.register_buffer(f"mean_{name}", torch.zeros(per_band))
            self.register_buffer(f"deviation_{name}", torch.ones(per_band))
        # Weights are drawn in the order of the data: another would be another network of a seed.
        dimension = self.build(settings)
        self.primary = build_head(head or {}, dimension, classes)
        self.attribute = nn.Linear(dimension, attributes) if attributes else None

    @abstractmethod
    def build(self, settings: Any) -> int:
        """Build what embeds features of ``self.shapes``; return the dimension of embeddings, D."""

    def is_wave(self, name: str) -> bool:
        """Return whether a feature is one row of samples; one of unknown origin counts as such."""
        return len(self.shapes[name]) == 1 and self.extractors.get(name, WAVE) == WAVE

    def standardise(self, name: str, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Set the statistics of one input, (F,) and (F,), or scalars for a row (L,)."""
        self.get_buffer(f"mean_{name}").copy_(mean.reshape(self.get_buffer(f"mean_{name}").shape))
        kept = self.get_buffer(f"deviation_{name}")
        kept.copy_(deviation.reshape(kept.shape).clamp_min(1e-5))

    @abstractmethod
    def embed(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return embeddings (B, D) of standardised inputs (B, F, T) or (B, L), by name."""

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> Output:
        """Embed and classify a batch: each input is (B, F, T) or (B, L), by name."""
        standard = {}
        for name in self.shapes:
            mean, deviation = (self.get_buffer(f"{kind}_{name}") for kind in ("mean", "deviation"))
            standard[name] = (inputs[name] - mean) / deviation
        embedding = self.embed(standard)
        attribute = self.attribute(embedding) if self.attribute is not None else None
        return Output(embedding, self.primary(embedding), attribute)
