"""A branch for each feature, their embeddings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from asd.config import Settings
from asd.errors import UsageError
from asd.models.base import WAVE, EmbeddingClassifier
from asd.models.spectrogram import Spectrogram, SpectrogramSettings
from asd.models.spectrum import Spectrum, SpectrumSettings
from asd.models.tdnn import Tdnn, TdnnSettings

Branch = Literal["spectrum", "spectrogram", "tdnn"]


class BranchesSettings(Settings):
    """Which branch reads which feature, and the shape of each kind.

    Attributes:
        branches: the branch of a feature, by name. Where none is named, a row (bins,) is read by
            ``spectrum``, one of (F, T) by ``spectrogram``.
        spectrum, spectrogram, tdnn: the shape of all branches of that kind.
    """

    branches: dict[str, Branch] = Field({})
    spectrum: SpectrumSettings = SpectrumSettings()
    spectrogram: SpectrogramSettings = SpectrogramSettings()
    tdnn: TdnnSettings = TdnnSettings()


class Branches(EmbeddingClassifier):
    """Embed each feature by a branch of its own, join the embeddings, classify them together.

    Features may have any number of frames, so several resolutions are several features.

    Args:
        shapes: the shape of one row of each feature, by name; the order is that of the embedding.
        classes: primary classes, C.
        attributes: attribute classes, A; 0 for no such head.
        settings: the branches and their shapes.
        head: the class head, as :func:`asd.models.heads.build_head` takes it.
        extractors: the extractor of each feature, as far as known.

    Raises:
        UsageError: a setting names a feature that is not read, or a branch that cannot read it.
    """

    Settings: ClassVar[type[Settings]] = BranchesSettings

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        classes: int,
        attributes: int,
        settings: BranchesSettings,
        head: Mapping[str, Any] | None = None,
        extractors: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(shapes, extractors)
        for name in settings.branches:
            if name not in shapes:
                raise UsageError(
                    f"the network's branches name '{name}', which the model does not read;"
                    f" it reads {', '.join(shapes)}"
                )
        self.branches = nn.ModuleDict()
        dimension = 0
        for name in shapes:
            branch, dimensions = self._branch(name, settings)
            self.branches[name] = branch
            dimension += dimensions
        self.add_heads(dimension, classes, attributes, head)

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
